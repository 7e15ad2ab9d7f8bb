//! Which field of a JSON text lies at a line and column, so that an error can name it.

/// The path to the value at `line` and `column` (both counted from 1, columns in bytes, as
/// `serde_json` gives them): `totals.pendingSeconds.p50`, `series[3].time`; empty for the whole text.
///
/// The text may break off or be malformed from that place on.
#[must_use]
pub fn path_at(text: &str, line: usize, column: usize) -> String {
    let mut walk = Walk { stack: Vec::new(), expects_key: false };
    let end = byte_offset(text, line, column);
    let bytes = &text.as_bytes()[..end];
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let close = string_end(bytes, at);
                // A string that the place itself is in is complete: the error is about its value.
                walk.string(text.get(at + 1..close.saturating_sub(1)).unwrap_or_default());
                at = close;
                continue;
            }
            b'{' => walk.open(Step::Field(String::new())),
            b'[' => walk.open(Step::Element(0)),
            // The place right behind a closing bracket still belongs to what it closed, because that
            // is where a missing field is noticed.
            b'}' | b']' if at + 1 < bytes.len() => walk.close(),
            b'}' => walk.forget_field(),
            b',' => walk.next(),
            _ => {}
        }
        at += 1;
    }
    walk.path()
}

/// One level of nesting.
enum Step {
    Field(String),
    Element(usize),
}

/// Where the walk is.
struct Walk {
    stack: Vec<Step>,
    expects_key: bool,
}

impl Walk {
    fn open(&mut self, step: Step) {
        self.expects_key = matches!(step, Step::Field(_));
        self.stack.push(step);
    }

    fn close(&mut self) {
        self.stack.pop();
        self.expects_key = false;
    }

    fn next(&mut self) {
        match self.stack.last_mut() {
            Some(Step::Field(_)) => self.expects_key = true,
            Some(Step::Element(index)) => *index += 1,
            None => {}
        }
    }

    fn string(&mut self, content: &str) {
        if let (true, Some(Step::Field(name))) = (self.expects_key, self.stack.last_mut()) {
            content.clone_into(name);
            self.expects_key = false;
        }
    }

    /// The object is complete: what is wrong with it is not its last field.
    fn forget_field(&mut self) {
        if let Some(Step::Field(name)) = self.stack.last_mut() {
            name.clear();
        }
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.stack {
            match step {
                Step::Field(name) if name.is_empty() => {}
                Step::Field(name) if path.is_empty() => path.push_str(name),
                Step::Field(name) => {
                    path.push('.');
                    path.push_str(name);
                }
                Step::Element(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }
}

/// Just past the closing quote of the string that opens at `at`, or the text's end.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut index = at + 1;
    while index < bytes.len() {
        match bytes[index] {
            b'\\' => index += 2,
            b'"' => return index + 1,
            _ => index += 1,
        }
    }
    bytes.len()
}

/// The offset behind column `column` of line `line`, at most the text's length.
fn byte_offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (start + column).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\"a\": {\"b\": [1,\n {\"c\\\"d\": true}]},\n \"e\": \"x,{\"}";

    #[test]
    fn a_place_is_named_by_the_fields_around_it() {
        let place = |needle: &str| {
            let offset = TEXT.find(needle).expect(needle) + needle.len();
            let before = &TEXT[..offset];
            let line = before.matches('\n').count() + 1;
            (line, offset - before.rfind('\n').map_or(0, |at| at + 1))
        };
        for (needle, path) in [
            ("1", "a.b[0]"),
            ("tru", "a.b[1].c\\\"d"),
            ("true}", "a.b[1]"),
            ("\"x,{\"", "e"),
            ("\"e\"", "e"),
        ] {
            let (line, column) = place(needle);
            assert_eq!(path_at(TEXT, line, column), path, "{needle}");
        }
        assert_eq!(path_at(TEXT, 99, 99), "");
        assert_eq!(path_at("", 1, 0), "");
        assert_eq!(path_at("[{\"a\": \"unfinished", 1, 18), "[0].a");
    }
}
