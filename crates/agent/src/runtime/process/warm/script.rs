//! Whether a command is one that a waiting sandbox can become, and with which arguments: a shell's script that does nothing but
//! set variables and become `jupyter lab`. What is read here is a small part of the shell's language, and every script that
//! says more than this part can is left to the shell.

use std::collections::BTreeMap;

/// Name of the environment's program that such a command becomes.
pub(super) const PROGRAM: &str = "jupyter-lab";
/// The words by which a script becomes it.
const BECOMES: [&str; 3] = ["exec", "jupyter", "lab"];

/// A notebook server, as a script would start it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Script {
    assignments: Vec<(String, Word)>,
    arguments: Vec<Word>,
}

/// What it becomes with the variables of one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Arguments after the program's name.
    pub(super) arguments: Vec<String>,
    /// Variables of the server: those of the workload and those that the script sets.
    pub(super) variables: BTreeMap<String, String>,
}

type Word = Vec<Part>;

/// A piece of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The value of this variable; nothing when it is not set.
    Variable(String),
}

impl Script {
    /// Reads a command; `None` when it is another one, or says more than can be read here.
    pub(super) fn read(command: &[String]) -> Option<Self> {
        let [shell, option, script] = command else {
            return None;
        };
        if shell != "sh" || option != "-c" {
            return None;
        }
        let mut words = words(script)?.into_iter().peekable();
        let mut assignments = Vec::new();
        while let Some(assignment) = words.peek().and_then(assignment) {
            assignments.push(assignment);
            words.next();
        }
        for expected in BECOMES {
            words
                .next()
                .filter(|word| *word == [Part::Text(expected.to_owned())])?;
        }
        Some(Self {
            assignments,
            arguments: words.collect(),
        })
    }

    /// The server for a workload with these variables.
    pub(super) fn server(&self, variables: &BTreeMap<String, String>) -> Server {
        let expand = |word: &Word| -> String {
            let parts = word.iter().map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Variable(name) => variables.get(name).map_or("", String::as_str),
            });
            parts.collect()
        };
        let mut all = variables.clone();
        let set = self.assignments.iter();
        all.extend(set.map(|(name, word)| (name.clone(), expand(word))));
        Server {
            arguments: self.arguments.iter().map(expand).collect(),
            variables: all,
        }
    }
}

/// `NAME=value`, where the name is not quoted.
fn assignment(word: &Word) -> Option<(String, Word)> {
    let (Part::Text(first), rest) = word.split_first()? else {
        return None;
    };
    let (name, value) = first.split_once('=')?;
    if !is_name(name) {
        return None;
    }
    let value = (!value.is_empty()).then(|| Part::Text(value.to_owned()));
    let value = value.into_iter().chain(rest.iter().cloned()).collect();
    Some((name.to_owned(), value))
}

fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    text.bytes().next().is_some_and(letter)
        && text
            .bytes()
            .all(|byte| letter(byte) || byte.is_ascii_digit())
}

/// The words of a script of one simple command; `None` at the first character with a meaning that is not known here.
fn words(script: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = script.trim_matches(' ');
    while !rest.is_empty() {
        let (word, after) = word(rest)?;
        words.push(word);
        rest = after.trim_start_matches(' ');
    }
    Some(words)
}

/// The first word, and what comes after it.
fn word(mut rest: &str) -> Option<(Word, &str)> {
    let mut word = Word::new();
    while let Some(first) = rest.chars().next().filter(|first| *first != ' ') {
        if first == '"' {
            let (quoted, after) = rest.get(1..)?.split_once('"')?;
            word.extend(quoted_parts(quoted)?);
            rest = after;
        } else {
            let plain = |one: char| one.is_ascii_alphanumeric() || "_-./:=,@%+".contains(one);
            let end = rest.find(|one| !plain(one)).unwrap_or(rest.len());
            let (text, after) = rest
                .split_at_checked(end)
                .filter(|(text, _)| !text.is_empty())?;
            word.push(Part::Text(text.to_owned()));
            rest = after;
        }
    }
    Some((word, rest))
}

/// What stands between double quotes.
fn quoted_parts(mut quoted: &str) -> Option<Word> {
    if quoted.contains(['\\', '`']) {
        return None;
    }
    let mut parts = Word::new();
    while let Some((text, after)) = quoted.split_once('$') {
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        let named = |one: char| one.is_ascii_alphanumeric() || one == '_';
        let end = after.find(|one| !named(one)).unwrap_or(after.len());
        let (name, rest) = after.split_at_checked(end)?;
        if !is_name(name) {
            return None;
        }
        parts.push(Part::Variable(name.to_owned()));
        quoted = rest;
    }
    if !quoted.is_empty() {
        parts.push(Part::Text(quoted.to_owned()));
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn read(script: &str) -> Option<Script> {
        Script::read(&["sh", "-c", script].map(str::to_owned))
    }

    fn variables() -> BTreeMap<String, String> {
        let all = [("A", "one two"), ("B", "$A"), ("HOME", "/notebooks")];
        all.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn the_command_of_notebooks_is_read() {
        let script = read(
            "JUPYTER_TOKEN=\"$A\" exec jupyter lab --no-browser --ServerApp.sock=\"$HOME/s\" --ServerApp.base_url=/",
        );
        let server = script.unwrap().server(&variables());
        let wanted = [
            "--no-browser",
            "--ServerApp.sock=/notebooks/s",
            "--ServerApp.base_url=/",
        ];
        assert_eq!(server.arguments, wanted);
        assert_eq!(server.variables["JUPYTER_TOKEN"], "one two");
        assert_eq!(server.variables["HOME"], "/notebooks");
    }

    #[test]
    fn what_says_more_is_left_to_the_shell() {
        for script in [
            "jupyter lab",
            "exec jupyter notebook",
            "exec python -m jupyter lab",
            "touch x; exec jupyter lab",
            "exec jupyter lab && true",
            "exec jupyter lab $A",
            "exec jupyter lab \"$(id)\"",
            "exec jupyter lab \"`id`\"",
            "exec jupyter lab \"${A}\"",
            "exec jupyter lab \"\\\"\"",
            "exec jupyter lab 'x'",
            "exec jupyter lab *",
            "exec jupyter lab > x",
            "exec jupyter lab \"open",
            "exec jupyter lab\nid",
            "exec jupyter lab ~",
            "exec \"$A\" lab",
            "1A=x exec jupyter lab",
            "",
        ] {
            assert_eq!(read(script), None, "{script}");
        }
        let other = ["bash", "-c", "exec jupyter lab"].map(str::to_owned);
        assert_eq!(Script::read(&other), None);
        assert_eq!(
            Script::read(&["jupyter".to_owned(), "lab".to_owned()]),
            None
        );
    }

    fn any_word() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[a-zA-Z0-9_./:=,@%+-]{1,6}",
            "[a-z ;&|<>*?'#~(){}!=]{0,6}".prop_map(|text| format!("\"{text}\"")),
            prop::sample::select(vec![
                "\"$A\"",
                "\"$B\"",
                "\"x$HOME/y\"",
                "\"$NONE\"",
                "\"\""
            ])
            .prop_map(str::to_owned),
        ];
        prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// The shell itself is asked what it would have made of every script that is read.
        #[test]
        fn what_is_read_is_what_the_shell_reads(
            words in prop::collection::vec(any_word(), 0..6),
            value in any_word(),
        ) {
            let script = format!("SET={value} exec jupyter lab {}", words.join(" "));
            let read = read(&script);
            prop_assert!(read.is_some(), "{script}");
            let server = read.unwrap().server(&variables());
            let folder = tempfile::tempdir().unwrap();
            let said = folder.path().join("said");
            let program = "#!/bin/sh\nprintf '%s\\0' \"$SET\" \"$@\" > \"$SAID\"\n";
            fs::write(folder.path().join("source"), program).unwrap();
            let path = format!("{}:/usr/bin:/bin", folder.path().display());
            let made = Command::new("sh")
                .args(["-c", "cat source > jupyter && chmod 755 jupyter"])
                .current_dir(folder.path())
                .status();
            assert!(made.unwrap().success());
            let ran = Command::new("sh")
                .args(["-c", &script])
                .env_clear()
                .envs(variables())
                .env("PATH", path)
                .env("SAID", &said)
                .status();
            prop_assert!(ran.unwrap().success(), "{script}");
            let said = fs::read_to_string(said).unwrap();
            let mut said = said.split_terminator('\0');
            prop_assert_eq!(said.next(), Some(server.variables["SET"].as_str()), "{}", &script);
            prop_assert_eq!(said.next(), Some("lab"));
            let arguments: Vec<&str> = said.collect();
            prop_assert_eq!(arguments, server.arguments, "{}", script);
        }
    }
}
