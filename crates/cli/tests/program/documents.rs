//! The commands in README.md and in the documentation are run, and what is shown below them is what
//! they print. With `TRYCMD=overwrite` in the environment the output shown is written anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::run::{errors, program, workspace_root};

/// Commands that the test must not or cannot run: the checks would run themselves, and there is no
/// cluster.
const NOT_RUN: [&str; 2] = ["cargo xtask test", "kubectl "];
/// What the command line of a document begins with when it is one of this program.
const PROGRAM: [&str; 2] = ["cargo run --release -- ", "plimsoll "];
/// In the output shown: any number of lines.
const ELISION: &str = "...";

#[test]
fn the_commands_of_the_readme_do_what_it_shows() {
    walk(&workspace_root().join("README.md"));
}

#[test]
fn the_commands_of_the_documentation_do_what_it_shows() {
    for folder in ["docs/guide", "docs/reference"] {
        let entries = fs::read_dir(workspace_root().join(folder)).expect(folder);
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
        paths.sort();
        for path in paths {
            walk(&path);
        }
    }
}

/// Runs the commands of a document one after the other in a folder that has the examples.
fn walk(document: &Path) {
    let text = fs::read_to_string(document).expect("a document");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let folder = tempfile::tempdir().expect("a folder");
    copy_folder(&workspace_root().join("examples"), &folder.path().join("examples"));
    let overwrite = std::env::var_os("TRYCMD").is_some_and(|value| value == "overwrite");
    let commands = commands_in(&lines);
    // From the end, so that the places of those before stay true when output is written anew.
    let shown: Vec<Option<String>> =
        commands.iter().map(|command| run(command, folder.path(), document)).collect();
    for (command, printed) in commands.iter().zip(&shown).rev() {
        let Some(printed) = printed else { continue };
        if command.shown.is_empty() || matches(&command.shown, printed) {
            continue;
        }
        let place = format!("{}:{}", document.display(), command.line + 1);
        assert!(overwrite, "{place}: {} prints\n{printed}", command.text);
        let first = command.line + 1;
        lines.splice(first..first + command.shown.len(), shown_anew(&command.shown, printed));
    }
    if overwrite {
        fs::write(document, lines.join("\n") + "\n").expect("written");
    }
}

/// A command of a document.
#[derive(Debug)]
struct Command {
    /// The place of its line, from 0.
    line: usize,
    text: String,
    /// The exit code that a comment behind it names: `# exits 3`.
    exit_code: i32,
    /// What is shown below it; empty where nothing is.
    shown: Vec<String>,
}

/// Those in fences of `console`, behind `$ `, and every line in fences of `sh`.
fn commands_in(lines: &[String]) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut fence: Option<&str> = None;
    for (place, line) in lines.iter().enumerate() {
        match (line.strip_prefix("```"), fence) {
            (Some(_), Some(_)) => fence = None,
            (Some(language), None) => fence = Some(language),
            (None, Some("console")) => match line.strip_prefix("$ ") {
                Some(text) => commands.push(Command::new(place, text)),
                None => commands.last_mut().expect("a command first").shown.push(line.clone()),
            },
            (None, Some("sh")) if !line.is_empty() => commands.push(Command::new(place, line)),
            (None, _) => {}
        }
    }
    commands
}

impl Command {
    fn new(line: usize, text: &str) -> Command {
        let (text, comment) = text.split_once(" # ").unwrap_or((text, ""));
        let words = comment.strip_prefix("exits ").unwrap_or("0");
        let digits: String = words.chars().take_while(char::is_ascii_digit).collect();
        let exit_code = digits.parse().expect("a number behind `exits`");
        Command { line, text: text.trim().to_owned(), exit_code, shown: Vec::new() }
    }
}

/// What the command prints; `None` when it is not to be run or its output goes to a file.
fn run(command: &Command, folder: &Path, document: &Path) -> Option<String> {
    let text = command.text.as_str();
    if NOT_RUN.iter().any(|prefix| text.starts_with(prefix)) {
        return None;
    }
    let place = format!("{}:{}: {text}", document.display(), command.line + 1);
    let arguments = PROGRAM.iter().find_map(|prefix| text.strip_prefix(prefix));
    let arguments = arguments.unwrap_or_else(|| panic!("{place}: is no command of ours"));
    assert!(!arguments.contains(['"', '\'', '|', '\\']), "{place}: this test has no shell");
    let (arguments, file) = match arguments.split_once(" > ") {
        Some((arguments, file)) => (arguments, Some(file)),
        None => (arguments, None),
    };
    let output: Output =
        program(folder).args(arguments.split_whitespace()).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(command.exit_code), "{place}\n{}", errors(&output));
    if let Some(file) = file {
        fs::write(folder.join(file), &output.stdout).expect("written");
        return None;
    }
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

/// Whether the lines shown are those printed, an [`ELISION`] standing for any.
fn matches(shown: &[String], printed: &str) -> bool {
    let printed: Vec<&str> = printed.lines().collect();
    match shown.iter().position(|line| line == ELISION) {
        None => shown == printed,
        Some(place) => {
            let (head, tail) = (&shown[..place], &shown[place + 1..]);
            printed.len() >= head.len() + tail.len()
                && head == &printed[..head.len()]
                && tail == &printed[printed.len() - tail.len()..]
        }
    }
}

/// As many of the lines printed as were shown, around the same [`ELISION`].
fn shown_anew(shown: &[String], printed: &str) -> Vec<String> {
    let mut lines: Vec<String> = printed.lines().map(str::to_owned).collect();
    if let Some(place) = shown.iter().position(|line| line == ELISION) {
        let tail = lines.len().saturating_sub(shown.len() - place - 1);
        if place < tail {
            lines.splice(place..tail, [ELISION.to_owned()]);
        }
    }
    lines
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

#[test]
fn commands_are_found_with_what_is_shown_below_them() {
    let text = "```sh\nplimsoll a\ncargo xtask test\n```\n```yaml\n$ no\n```\n\
                ```console\n$ plimsoll b   # exits 3: they differ\nx\n...\n```\n";
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let found: Vec<(String, i32, usize)> = commands_in(&lines)
        .into_iter()
        .map(|command| (command.text, command.exit_code, command.shown.len()))
        .collect();
    assert_eq!(
        found,
        [
            ("plimsoll a".to_owned(), 0, 0),
            ("cargo xtask test".to_owned(), 0, 0),
            ("plimsoll b".to_owned(), 3, 2)
        ]
    );
    assert!(matches(&["x".to_owned(), ELISION.to_owned()], "x\ny\nz\n"));
    assert!(!matches(&["y".to_owned(), ELISION.to_owned()], "x\ny\nz\n"));
    assert_eq!(shown_anew(&["y".to_owned(), ELISION.to_owned()], "x\ny\nz\n"), ["x", "..."]);
}
