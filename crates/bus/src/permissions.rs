//! Who may do what on the server, and the configuration of a server that holds everybody to it.
//!
//! Each program has a user of its own. It publishes the events of its own area, uses JetStream's interface for its own stream and
//! its own consumers, parks what its consumers cannot handle, and hears its own inbox. Nobody may delete or purge a stream.

use std::fmt::Write as _;

use crate::subject;

/// A user of the bus, and what it does there.
#[derive(Debug)]
struct User {
    name: &'static str,
    /// It has events: those of the area of its own name.
    publishes: bool,
    /// Areas whose events it handles.
    consumes: &'static [&'static str],
    routes: Bucket,
    /// Live subjects that it speaks on.
    says: &'static [&'static str],
    /// Live subjects that it listens to.
    hears: &'static [&'static str],
    /// It lists the dead letters and sends them again.
    tends_dead: bool,
}

/// What a user does with the bucket of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bucket {
    Nothing,
    Reads,
    Writes,
}

/// Does nothing yet: what the rows below begin with.
const NOBODY: User = User {
    name: "",
    publishes: false,
    consumes: &[],
    routes: Bucket::Nothing,
    says: &[],
    hears: &[],
    tends_dead: false,
};

const fn service(name: &'static str, consumes: &'static [&'static str]) -> User {
    User {
        name,
        publishes: true,
        consumes,
        ..NOBODY
    }
}

/// Everybody who uses the bus.
const USERS: [User; 8] = [
    service("identity", &[]),
    service("inventory", &[]),
    service("volume", &["scheduler"]),
    service("scheduler", &["inventory"]),
    service("billing", &["scheduler"]),
    User {
        routes: Bucket::Writes,
        hears: &["quire.live.edge.>"],
        ..service("notebook", &["scheduler", "volume"])
    },
    User {
        name: "edge",
        routes: Bucket::Reads,
        says: &["quire.live.edge.>"],
        ..NOBODY
    },
    User {
        name: "journal",
        consumes: &subject::AREAS,
        tends_dead: true,
        ..NOBODY
    },
];

/// Subjects that a user may publish and hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects that it may publish.
    pub publish: Vec<String>,
    /// Subjects that it may subscribe to.
    pub subscribe: Vec<String>,
}

/// Where the configuration of a server finds a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// Here it is.
    Text(String),
    /// In the environment variable of this name, when the server starts.
    Variable(String),
}

/// Names of all users of the bus.
pub fn users() -> impl Iterator<Item = &'static str> {
    USERS.iter().map(|user| user.name)
}

/// What the user of this name may do; `None` when there is none.
pub fn permissions(user: &str) -> Option<Permissions> {
    let user = find(user)?;
    Some(Permissions {
        publish: publish(user),
        subscribe: subscribe(user),
    })
}

/// The `authorization` block of a server's configuration: each user with its password and what it may do.
pub fn authorization(password: impl Fn(&str) -> Password) -> String {
    let list = |subjects: &[String]| {
        let quoted: Vec<_> = subjects.iter().map(|subject| quote(subject)).collect();
        quoted.join(", ")
    };
    let mut text = String::from("authorization: { users: [\n");
    for user in &USERS {
        let secret = match password(user.name) {
            Password::Text(text) => quote(&text),
            Password::Variable(name) => format!("${name}"),
        };
        // Writing to a text cannot fail.
        writeln!(
            text,
            "  {{ user: {}, password: {secret}, permissions: {{\n      publish: [{}]\n      subscribe: [{}] }} }}",
            quote(user.name),
            list(&publish(user)),
            list(&subscribe(user)),
        )
        .ok();
    }
    text.push_str("] }\n");
    text
}

/// Where answers to the user of this name arrive: nobody else may listen there.
pub(crate) fn inbox(user: &str) -> String {
    format!("_INBOX.{user}")
}

/// Streams that the program of this name makes when they are missing: its own, and that of its dead letters. Whoever has no row
/// here is no service but a tool or a test, and makes all.
pub(crate) fn streams(program: &str) -> Vec<(String, String)> {
    let dead = (
        subject::DEAD_STREAM.to_owned(),
        subject::DEAD_SUBJECTS.to_owned(),
    );
    let of = |area: &str| (subject::stream_name(area), subject::stream_subjects(area));
    let Some(user) = find(program) else {
        return subject::AREAS.into_iter().map(of).chain([dead]).collect();
    };
    let own = user.publishes.then(|| of(user.name));
    let parks = !user.consumes.is_empty();
    own.into_iter().chain(parks.then_some(dead)).collect()
}

fn find(name: &str) -> Option<&'static User> {
    USERS.iter().find(|user| user.name == name)
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn subscribe(user: &User) -> Vec<String> {
    let own = format!("{}.>", inbox(user.name));
    let hears = user.hears.iter().map(|subject| (*subject).to_owned());
    [own].into_iter().chain(hears).collect()
}

fn publish(user: &User) -> Vec<String> {
    let mut subjects = Vec::new();
    if user.publishes {
        subjects.push(subject::stream_subjects(user.name));
    }
    for (stream, _) in streams(user.name) {
        subjects.extend(making(&stream));
    }
    for area in user.consumes {
        subjects.extend(consuming(user.name, area));
    }
    if user.routes != Bucket::Nothing {
        subjects.extend(reading_bucket());
    }
    if user.routes == Bucket::Writes {
        subjects.push(format!("$KV.{}.>", subject::ROUTES));
    }
    if user.tends_dead {
        subjects.extend(tending_dead());
    }
    subjects.extend(user.says.iter().map(|subject| (*subject).to_owned()));
    subjects
}

/// Finding a stream, and making it when it is missing.
fn making(stream: &str) -> [String; 2] {
    ["INFO", "CREATE"].map(|verb| format!("$JS.API.STREAM.{verb}.{stream}"))
}

/// Handling the events of an area, and parking those that fail.
fn consuming(subscriber: &str, area: &str) -> [String; 5] {
    let stream = subject::stream_name(area);
    let consumer = subject::consumer_name(subscriber, area);
    [
        format!("$JS.API.CONSUMER.CREATE.{stream}.{consumer}.>"),
        format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"),
        format!("$JS.ACK.{stream}.{consumer}.>"),
        subject::dead_letters(&consumer),
    ]
}

/// Opening the bucket of routes, reading and watching it.
fn reading_bucket() -> Vec<String> {
    let stream = format!("KV_{}", subject::ROUTES);
    let mut subjects = making(&stream).to_vec();
    subjects.extend([
        format!("$JS.API.STREAM.MSG.GET.{stream}"),
        format!("$JS.API.DIRECT.GET.{stream}.>"),
        format!("$JS.API.CONSUMER.CREATE.{stream}"),
        format!("$JS.API.CONSUMER.CREATE.{stream}.>"),
        format!("$JS.API.CONSUMER.INFO.{stream}.*"),
        format!("$JS.FC.{stream}.>"),
    ]);
    subjects
}

/// Reading the dead letters, removing one, and sending it to the consumer that parked it.
fn tending_dead() -> [String; 5] {
    let stream = subject::DEAD_STREAM;
    [
        format!("$JS.API.CONSUMER.CREATE.{stream}"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.*"),
        format!("$JS.API.STREAM.MSG.GET.{stream}"),
        format!("$JS.API.STREAM.MSG.DELETE.{stream}"),
        subject::again("*", "*"),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_area_has_a_user_and_nobody_may_destroy_a_stream() {
        let names: BTreeSet<_> = users().collect();
        assert_eq!(names.len(), USERS.len(), "a name is there twice");
        assert!(subject::AREAS.iter().all(|area| names.contains(area)));
        for name in users() {
            let may = permissions(name).unwrap();
            let all = || may.publish.iter().chain(&may.subscribe);
            assert!(all().all(|subject| subject != ">" && !subject.starts_with("$JS.API.>")));
            assert!(
                all().all(|subject| !subject.contains("STREAM.DELETE")
                    && !subject.contains("PURGE")
                    && !subject.contains("CONSUMER.DELETE")),
                "{name}: {may:?}"
            );
            let events: Vec<_> = may
                .publish
                .iter()
                .filter(|subject| subject.contains(".v1.") && !subject.starts_with("$JS."))
                .collect();
            assert!(events.len() <= 1, "{name} publishes {events:?}");
        }
        assert_eq!(permissions("gateway"), None);
    }

    #[test]
    fn passwords_are_quoted_or_left_to_the_environment() {
        let text = authorization(|user| match user {
            "edge" => Password::Variable("EDGE_PASSWORD".to_owned()),
            other => Password::Text(format!("{other}\"\\")),
        });
        assert!(
            text.contains(r#"user: "volume", password: "volume\"\\""#),
            "{text}"
        );
        assert!(
            text.contains(r#"user: "edge", password: $EDGE_PASSWORD,"#),
            "{text}"
        );
    }

    /// The README tells operators what to configure: it must be what holds.
    #[test]
    fn the_readme_lists_every_subject() {
        let readme = include_str!("../README.md");
        let list = |subjects: &[String]| {
            let quoted: Vec<_> = subjects
                .iter()
                .map(|subject| format!("`{subject}`"))
                .collect();
            quoted.join(" ")
        };
        let rows = users().map(|user| {
            let may = permissions(user).unwrap();
            format!(
                "| {user} | {} | {} |",
                list(&may.publish),
                list(&may.subscribe)
            )
        });
        let missing: Vec<_> = rows.filter(|row| !readme.contains(row)).collect();
        assert!(
            missing.is_empty(),
            "the README lacks\n{}",
            missing.join("\n")
        );
    }
}
