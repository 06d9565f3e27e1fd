//! Templates of a team: made from a notebook's files by way of the edge, and brought to the notebooks that are made from them.

use std::collections::BTreeMap;
use std::io::Read as _;

use contracts::common::v1::Role;
use contracts::notebook::v1::{
    CreateNotebookRequest, CreateTemplateRequest, CreateTemplateResponse, DeleteTemplateRequest,
    GetTemplateRequest, ListTemplatesRequest, Notebook, Template, TemplateChanged,
};
use kernel::id::TeamId;
use testkit::{Engine, eventually, person};
use tonic::{Code, Status};

use crate::edge::Answer;
use crate::house::{Client, House};
use crate::scheduler::{place, run};

const LIST: &[u8] =
    b"d\t4096\t1\t\0f\t8\t1\ttrain.py\0f\t2\t1\tbin/go\0d\t1\t1\tbin\0f\t5\t1\t.netrc\0";

fn archive(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, mode, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, path, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

fn packed() -> Vec<u8> {
    archive(&[
        ("train.py", 0o644, b"print(1)"),
        ("bin/go", 0o755, b"\xff\x01"),
    ])
}

fn from(notebook: &str, name: &str) -> CreateTemplateRequest {
    CreateTemplateRequest {
        notebook: notebook.to_owned(),
        name: name.to_owned(),
        ..CreateTemplateRequest::default()
    }
}

async fn make(
    client: &mut Client,
    asked: CreateTemplateRequest,
) -> Result<CreateTemplateResponse, Status> {
    Ok(client.create_template(asked).await?.into_inner())
}

async fn listed(client: &mut Client) -> Vec<Template> {
    let answer = client.list_templates(ListTemplatesRequest {}).await;
    answer.unwrap().into_inner().templates
}

async fn get(client: &mut Client, template: &str) -> Result<Template, Status> {
    let template = template.to_owned();
    let answer = client.get_template(GetTemplateRequest { template }).await?;
    Ok(answer.into_inner().template.unwrap())
}

async fn delete(client: &mut Client, template: &str) -> Result<Template, Status> {
    let template = template.to_owned();
    let answer = client
        .delete_template(DeleteTemplateRequest { template })
        .await?;
    Ok(answer.into_inner().template.unwrap())
}

fn of(template: &str) -> CreateNotebookRequest {
    CreateNotebookRequest {
        template: template.to_owned(),
        ..CreateNotebookRequest::default()
    }
}

/// A notebook with files to make templates from.
async fn source(house: &House) -> Notebook {
    let asked = CreateNotebookRequest {
        name: "source".to_owned(),
        environment: "frames".to_owned(),
        ..CreateNotebookRequest::default()
    };
    let source = house.try_create(asked).await.unwrap();
    house
        .edge
        .answers(&source.fqdn, Answer::Files(LIST.into(), packed(), false));
    source
}

/// What was brought to the notebook last.
async fn brought(house: &House, fqdn: &str) -> BTreeMap<String, (u32, Vec<u8>)> {
    let body = eventually("files that are brought", || async {
        let asked = house.edge.asked().into_iter().rev();
        let mut brought = asked.filter(|asked| asked.host == fqdn && !asked.body.is_empty());
        brought.next().map(|asked| asked.body)
    })
    .await;
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(body.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mode = entry.header().mode().unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(path, (mode, bytes));
    }
    files
}

async fn a_template_is_made_of_a_notebook_and_notebooks_of_it(engine: Engine) {
    let house = House::open(engine).await;
    let source = source(&house).await;
    let mut member = house.member();
    let asked = CreateTemplateRequest {
        command: Some("make all".to_owned()),
        request_id: "once".to_owned(),
        ..from("source", "mine")
    };
    let made = make(&mut member, asked.clone()).await.unwrap();
    assert_eq!(made.note, "left out: 1 hidden file");
    let template = made.template.unwrap();
    let files: Vec<_> = template
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.size, file.executable))
        .collect();
    assert_eq!(files, [("bin/go", 2, true), ("train.py", 8, false)]);
    assert_eq!(
        (template.environment.as_str(), template.command.as_str()),
        ("frames", "make all")
    );
    assert_eq!(template.notebook_id, source.id);
    assert_eq!(template.description, "Made from notebook source");
    let again = make(&mut member, asked.clone()).await.unwrap().template;
    assert_eq!(again.as_ref(), Some(&template), "one a request");
    let other = CreateTemplateRequest {
        name: "other".to_owned(),
        ..asked
    };
    let refused = make(&mut member, other).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);

    let names: Vec<_> = listed(&mut member)
        .await
        .into_iter()
        .map(|one| one.name)
        .collect();
    let wanted = [
        "diffusion",
        "fine-tune",
        "mine",
        "pytorch",
        "rapids",
        "scikit-learn",
        "scratch",
    ];
    assert_eq!(names, wanted);
    let shown = get(&mut member, "mine").await.unwrap();
    let contents: Vec<_> = shown
        .files
        .iter()
        .map(|file| file.content.as_str())
        .collect();
    assert_eq!(contents, ["", "print(1)"], "what is no text is not shown");
    assert_eq!(
        get(&mut member, &template.id[..8]).await.unwrap().id,
        template.id
    );
    let mut stranger = house.client(&person(TeamId::generate(), Role::Owner));
    assert_eq!(listed(&mut stranger).await.len(), 6);
    assert_eq!(
        get(&mut stranger, "mine").await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(
        delete(&mut stranger, "mine").await.unwrap_err().code(),
        Code::NotFound
    );

    let made = house.try_create(of("mine")).await.unwrap();
    assert_eq!(
        (made.environment.as_str(), made.template.as_str()),
        ("frames", "mine")
    );
    let workload = house.workload(&made.id, 1).await;
    let (submitted, _) = house.scheduler.state().submitted[&format!("{}/1", made.id)].clone();
    let spec = submitted.spec.unwrap();
    assert_eq!(spec.environment_digest, "sha256:frames");
    assert!(spec.command.iter().any(|word| word == "make all"));
    assert_eq!(spec.ready_timeout_seconds, 1_800);
    // Deleted before its files are brought: they come all the same.
    assert_eq!(delete(&mut member, "mine").await.unwrap().id, template.id);
    house
        .edge
        .answers(&made.fqdn, Answer::Files(Vec::new(), Vec::new(), true));
    house
        .moves(&workload.id, |workload| place(workload, "no-1"))
        .await;
    let files = brought(&house, &made.fqdn).await;
    let wanted = [
        ("files/bin/go", 0o755, &b"\xff\x01"[..]),
        ("files/train.py", 0o644, b"print(1)"),
        ("ready", 0o644, b""),
    ];
    let wanted = wanted.map(|(path, mode, bytes)| (path.to_owned(), (mode, bytes.to_vec())));
    assert_eq!(files, BTreeMap::from(wanted));
    assert_eq!(
        get(&mut member, "mine").await.unwrap_err().code(),
        Code::NotFound
    );
    let refused = house.try_create(of("mine")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);

    let events = eventually("both events", || async {
        let events: Vec<TemplateChanged> = house.nats.events().await;
        (events.len() == 2).then_some(events)
    })
    .await;
    assert_eq!(events[0].template, Some(template.clone()));
    assert!(!events[0].deleted && events[1].deleted);
    assert_eq!(events[1].template, Some(template));

    // Once Jupyter has answered nobody waits for the files, and they are forgotten.
    let now = kernel::Clock::now(house.clock.as_ref());
    house
        .moves(&workload.id, |workload| run(workload, now))
        .await;
    eventually("no files", || async {
        let left = house.texts("SELECT path FROM template_files").await;
        left.is_empty().then_some(())
    })
    .await;
    assert_eq!(house.notebook(&made.id).await.template, "mine");
}

async fn what_cannot_be_a_template_is_refused(engine: Engine) {
    let house = House::open(engine).await;
    let source = source(&house).await;
    let mut member = house.member();
    for (asked, code, told) in [
        (
            from("nowhere", "x"),
            Code::NotFound,
            "notebook \"nowhere\" not found",
        ),
        (
            from("source", "Mine!"),
            Code::InvalidArgument,
            "name: \"Mine!\" is refused",
        ),
        (
            from("source", "scratch"),
            Code::InvalidArgument,
            "name: \"scratch\" comes with Quire",
        ),
        (
            CreateTemplateRequest {
                paths: vec!["train.py".to_owned(), "nothing.py".to_owned()],
                ..from("source", "x")
            },
            Code::InvalidArgument,
            "paths: \"nothing.py\" is not there",
        ),
        (
            CreateTemplateRequest {
                paths: vec!["../../etc/passwd".to_owned()],
                ..from("source", "x")
            },
            Code::InvalidArgument,
            "paths: \"../../etc/passwd\" leads out of the notebook's files",
        ),
        (
            CreateTemplateRequest {
                description: "x".repeat(201),
                ..from("source", "x")
            },
            Code::InvalidArgument,
            "description: ",
        ),
        (
            CreateTemplateRequest {
                command: Some("x".repeat(2_001)),
                ..from("source", "x")
            },
            Code::InvalidArgument,
            "command: has 2001 characters",
        ),
    ] {
        let refused = make(&mut member, asked).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.message().starts_with(told), "{refused}");
    }
    // What the list does not have is not taken, whatever the node sends.
    for packed in [
        archive(&[("train.py", 0o644, b"")]),
        archive(&[("etc/passwd", 0o644, b"")]),
    ] {
        house
            .edge
            .answers(&source.fqdn, Answer::Files(LIST.into(), packed, false));
        let refused = make(&mut member, from("source", "x")).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(
            refused.message().contains("changed while they were read"),
            "{refused}"
        );
    }
    house.edge.answers(&source.fqdn, Answer::BadGateway);
    let refused = make(&mut member, from("source", "x")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);

    house
        .edge
        .answers(&source.fqdn, Answer::Files(LIST.into(), packed(), false));
    make(&mut member, from("source", "")).await.unwrap();
    let refused = make(&mut member, from("source", "source"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    let refused = delete(&mut member, "scratch").await.unwrap_err();
    assert!(refused.message().contains("comes with Quire"), "{refused}");
    let mut viewer = house.client(&person(house.team, Role::Viewer));
    for refused in [
        make(&mut viewer, from("source", "y")).await.unwrap_err(),
        delete(&mut viewer, "source").await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::PermissionDenied);
    }

    // Its environment was deleted since.
    house
        .inventory
        .gone
        .lock()
        .unwrap()
        .push("frames".to_owned());
    let refused = house.try_create(of("source")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let told = "template \"source\" starts in environment \"frames\", which is not there any more";
    assert!(refused.message().starts_with(told), "{refused}");
    let beside = CreateNotebookRequest {
        environment: "torch".to_owned(),
        ..of("source")
    };
    assert_eq!(house.try_create(beside).await.unwrap().environment, "torch");
}

async fn files_are_brought_to_who_waits_and_to_each_attempt(engine: Engine) {
    let house = House::open(engine).await;
    let made = house.try_create(of("scratch")).await.unwrap();
    house
        .edge
        .answers(&made.fqdn, Answer::Files(Vec::new(), Vec::new(), false));
    let workload = house.workload(&made.id, 1).await;
    house
        .moves(&workload.id, |workload| place(workload, "no-1"))
        .await;
    let asked = || {
        house
            .edge
            .asked()
            .into_iter()
            .filter(|asked| asked.host == made.fqdn)
    };
    eventually("a look", || async { asked().next() }).await;
    assert!(
        asked().all(|asked| asked.body.is_empty()),
        "nobody waits yet"
    );
    house
        .edge
        .answers(&made.fqdn, Answer::Files(Vec::new(), Vec::new(), true));
    let files = brought(&house, &made.fqdn).await;
    assert_eq!(files.len(), 2);
    assert!(files.contains_key("files/start.ipynb") && files.contains_key("ready"));
    let noted = eventually("it is noted", || async {
        let noted = house.texts("SELECT brought FROM notebooks").await;
        Some(noted).filter(|noted| !noted[0].is_empty())
    })
    .await;
    let count = asked().filter(|asked| !asked.body.is_empty()).count();
    assert_eq!(count, 1);
    // Placed anew: its new sandbox waits again.
    house
        .moves(&workload.id, |workload| {
            place(workload, "no-1");
            if let Some(attempt) = &mut workload.attempt {
                attempt.generation += 1;
            }
        })
        .await;
    eventually("they are brought again", || async {
        (asked().filter(|asked| !asked.body.is_empty()).count() == 2).then_some(())
    })
    .await;
    eventually("that is noted, too", || async {
        let now = house.texts("SELECT brought FROM notebooks").await;
        (now != noted).then_some(())
    })
    .await;
}

testkit::on_each_engine!(
    a_template_is_made_of_a_notebook_and_notebooks_of_it,
    what_cannot_be_a_template_is_refused,
    files_are_brought_to_who_waits_and_to_each_attempt,
);
