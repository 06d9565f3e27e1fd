use proptest::prelude::*;

use super::*;

fn item(kind: Kind, path: &str, bytes: u64) -> Item {
    Item {
        path: path.to_owned(),
        kind,
        bytes,
    }
}

fn some() -> Vec<Item> {
    vec![
        item(Kind::Folder, "", 4_096),
        item(Kind::File, "train.py", 10),
        item(Kind::Folder, "data", 4_096),
        item(Kind::File, "data/a.csv", 20),
        item(Kind::File, "data/.cache", 1),
        item(Kind::Other, "data/link", 5),
        item(Kind::File, "database", 30),
        item(Kind::Folder, ".local", 4_096),
        item(Kind::File, ".local/lib/x.py", 40),
        item(Kind::File, ".netrc", 50),
    ]
}

fn select_from(items: &[Item], wanted: &[&str]) -> Result<Selection> {
    let wanted: Vec<_> = wanted.iter().map(|&path| path.to_owned()).collect();
    select(items, &wanted)
}

#[test]
fn all_that_is_no_secret_and_no_link_is_taken() {
    let all = select_from(&some(), &[]).unwrap();
    assert_eq!(all.paths, ["data/a.csv", "database", "train.py"]);
    assert_eq!(all.note(), "left out: 3 hidden files, 1 link or device");
    assert_eq!(select_from(&some(), &["./"]).unwrap(), all);
    assert_eq!(Selection::default().note(), "");
}

#[test]
fn what_is_named_is_taken_and_no_more() {
    let one = select_from(&some(), &["/data/", "data/a.csv"]).unwrap();
    assert_eq!(one.paths, ["data/a.csv"]);
    let hidden = select_from(&some(), &[".netrc", ".local"]).unwrap();
    assert_eq!(hidden.paths, [".local/lib/x.py", ".netrc"]);
    assert_eq!(hidden.note(), "");
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_name() {
    let refusal = |wanted: &[&str]| select_from(&some(), wanted).unwrap_err().to_string();
    for (wanted, told) in [
        ("nothing.py", "\"nothing.py\" is not there"),
        (
            "data/link/x",
            "\"data/link/x\" is not there, or lies behind a link",
        ),
        ("data/link", "\"data/link\" is a link or a device"),
        ("../x", "\"../x\" leads out of the notebook's files"),
        ("a\0b", "is no path of at most 400 bytes"),
    ] {
        let refused = refusal(&[wanted]);
        assert!(
            refused.starts_with("paths: ") && refused.contains(told),
            "{refused}"
        );
    }
    assert!(refusal(&["x"; 101]).contains("has 101 items; at most 100"));
}

#[test]
fn a_template_is_small() {
    let files = |count: usize, bytes: u64| -> Vec<_> {
        (0..count)
            .map(|number| item(Kind::File, &number.to_string(), bytes))
            .collect()
    };
    assert_eq!(
        select_from(&files(200, 41_943), &[]).unwrap().paths.len(),
        200
    );
    let many = select_from(&files(201, 1), &[]).unwrap_err().to_string();
    assert!(
        many.contains("201 files; a template has at most 200"),
        "{many}"
    );
    let large = select_from(&files(200, 41_944), &[])
        .unwrap_err()
        .to_string();
    assert!(
        large.contains("8388800 bytes; a template has at most 8388608"),
        "{large}"
    );
    assert!(select_from(&files(2, u64::MAX), &[]).is_err());
    let long = [item(Kind::File, &"x".repeat(401), 1)];
    assert!(
        select_from(&long, &[])
            .unwrap_err()
            .to_string()
            .contains("401 bytes")
    );
}

#[test]
fn lists_are_read_whatever_names_there_are() {
    let read =
        read_list(b"d\t4096\t1\t\0f\t3\t-1\ta b\tc\0f\t3\t1\td\ne\0l\t1\t5\tlink\0f\t1\t1\t\xff\0")
            .unwrap();
    let kinds: Vec<_> = read
        .iter()
        .map(|item| (item.kind, item.path.as_str()))
        .collect();
    assert_eq!(
        kinds,
        [
            (Kind::Folder, ""),
            (Kind::Other, "a b\tc"),
            (Kind::Other, "d\ne"),
            (Kind::Other, "link"),
            (Kind::Other, "\u{fffd}"),
        ]
    );
    assert!(read_list(b"f\t3\0").is_err() && read_list(b"f\tx\t1\ta\0").is_err());
}

proptest! {
    #[test]
    fn nothing_outside_of_what_is_named_is_taken(
        paths in prop::collection::vec("[a.]{1,2}(/[a.b]{1,2}){0,2}", 1..20),
        root in 0_usize..20,
    ) {
        let items: Vec<_> = paths.iter().map(|path| item(Kind::File, path, 1)).collect();
        let root = &paths[root % paths.len()];
        if let Ok(selection) = select_from(&items, &[root]) {
            let root = normal(root).unwrap();
            let inside = format!("{root}/");
            for path in selection.paths {
                prop_assert!(root.is_empty() || path == root || path.starts_with(&inside));
                prop_assert!(paths.contains(&path));
            }
        }
    }
}
