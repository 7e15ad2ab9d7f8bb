//! What is typed and what is answered: `tests/cmd/*.trycmd`. With `TRYCMD=overwrite` in the
//! environment the files are written anew.

use std::path::Path;

#[test]
fn commands_answer_as_their_transcripts_say() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd").run();
    let left_behind = Path::new(env!("CARGO_MANIFEST_DIR")).join("never.db");
    assert!(!left_behind.exists(), "a refused import wrote {}", left_behind.display());
}
