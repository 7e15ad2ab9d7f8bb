//! Plain tables: columns side by side, no lines around them.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Lays out `rows` below a header, indented by two; every line ends with a line break. Each row must
/// have as many cells as there are columns.
pub(crate) fn lay_out(columns: &[(&str, Side)], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(columns.iter().map(|(name, _)| *name));
    table.add_rows(rows);
    for (column, (_, side)) in table.column_iter_mut().zip(columns) {
        column.set_padding((1, 1));
        column.set_cell_alignment(match side {
            Side::Left => CellAlignment::Left,
            Side::Right => CellAlignment::Right,
        });
    }
    let lines = table.lines();
    lines.map(|line| format!(" {}\n", line.trim_end())).collect()
}
