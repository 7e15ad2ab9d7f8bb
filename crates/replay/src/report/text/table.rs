//! Tables of plain text: a title column and right-aligned value columns.

/// Spaces between two columns.
const GAP: usize = 3;

/// Rows of cells, as wide as their content.
///
/// The first column is flush left and the others flush right. Widths are counted in characters, which
/// is exact for the names Kubernetes allows and for the block characters of a chart.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Adds a row; missing cells are empty.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table's lines, without spaces at their ends. A column without any content takes no room.
    pub(super) fn lines(&self) -> Vec<String> {
        let widths = self.widths();
        self.rows.iter().map(|row| aligned(row, &widths)).collect()
    }

    /// How wide the widest line is.
    pub(super) fn width(&self) -> usize {
        self.lines().iter().map(|line| line.chars().count()).max().unwrap_or(0)
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        (0..columns).map(width).collect()
    }
}

fn aligned(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (index, (cell, &width)) in row.iter().zip(widths).enumerate() {
        if index == 0 {
            line.push_str(&format!("{cell:<width$}"));
        } else if width > 0 {
            line.push_str(&" ".repeat(GAP));
            line.push_str(&format!("{cell:>width$}"));
        }
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_empty_ones_take_no_room() {
        let mut table = Table::default();
        table.row(["".into(), "strategy".into(), "".into(), "±".into()]);
        table.row(["cost".into(), "$1.00".into(), "".into(), "+2 %".into()]);
        table.row(["node-hours".into()]);
        assert_eq!(
            table.lines(),
            ["             strategy      ±", "cost            $1.00   +2 %", "node-hours",]
        );
        assert_eq!(table.width(), 28);
        assert!(Table::default().lines().is_empty());
    }
}
