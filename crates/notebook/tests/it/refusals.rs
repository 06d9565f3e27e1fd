//! Who sees and may do what, and how notebooks are named in calls.

use chassis::auth::Principal;
use contracts::common::v1::{PageRequest, Role};
use contracts::notebook::v1::{
    CreateNotebookRequest, DeleteNotebookRequest, ExplainNotebookRequest, GetNotebookRequest,
    ListNotebooksRequest, RestartNotebookRequest, RotateNotebookTokenRequest, StartNotebookRequest,
    StopNotebookRequest, UpdateNotebookRequest,
};
use kernel::id::TeamId;
use testkit::{Engine, person};
use tonic::{Code, Status};

use crate::house::{Client, House};

/// What each call about a notebook answers.
async fn every_call(mut client: Client, id: &str) -> Vec<Result<(), Code>> {
    fn code<T>(answer: Result<T, Status>) -> Result<(), Code> {
        answer.map(|_| ()).map_err(|status| status.code())
    }
    let notebook = id.to_owned();
    vec![
        code(
            client
                .get_notebook(GetNotebookRequest {
                    notebook: notebook.clone(),
                })
                .await,
        ),
        code(
            client
                .explain_notebook(ExplainNotebookRequest {
                    notebook: notebook.clone(),
                })
                .await,
        ),
        code(
            client
                .start_notebook(StartNotebookRequest {
                    notebook: notebook.clone(),
                })
                .await,
        ),
        code(
            client
                .stop_notebook(StopNotebookRequest {
                    notebook: notebook.clone(),
                    snapshot: None,
                })
                .await,
        ),
        code(
            client
                .restart_notebook(RestartNotebookRequest {
                    notebook: notebook.clone(),
                })
                .await,
        ),
        code(
            client
                .update_notebook(UpdateNotebookRequest {
                    notebook: notebook.clone(),
                    idle_timeout_seconds: Some(60),
                    ..UpdateNotebookRequest::default()
                })
                .await,
        ),
        code(
            client
                .rotate_notebook_token(RotateNotebookTokenRequest {
                    notebook: notebook.clone(),
                })
                .await,
        ),
        code(
            client
                .delete_notebook(DeleteNotebookRequest {
                    notebook,
                    keep_volume: false,
                })
                .await,
        ),
    ]
}

async fn teams_do_not_see_each_other(engine: Engine) {
    let house = House::open(engine).await;
    let id = house.create("mine").await.id;
    let stranger = house.client(&person(TeamId::generate(), Role::Owner));
    for wanted in [id.as_str(), "mine", &id[..20]] {
        assert_eq!(
            every_call(stranger.clone(), wanted).await,
            [Err(Code::NotFound); 8]
        );
    }
    let theirs = stranger
        .clone()
        .list_notebooks(ListNotebooksRequest::default())
        .await
        .unwrap();
    assert_eq!(theirs.into_inner().notebooks, []);
    assert_eq!(house.notebook("mine").await.id, id);
    // A name is a team's own.
    let same = CreateNotebookRequest {
        name: "mine".to_owned(),
        ..CreateNotebookRequest::default()
    };
    stranger.clone().create_notebook(same).await.unwrap();
}

async fn viewers_look_and_nothing_else(engine: Engine) {
    let house = House::open(engine).await;
    let id = house.create("mine").await.id;
    house.workload(&id, 1).await;
    let viewer = house.client(&person(house.team, Role::Viewer));
    let denied = Err(Code::PermissionDenied);
    assert_eq!(
        every_call(viewer.clone(), &id).await,
        [
            Ok(()),
            Ok(()),
            denied,
            denied,
            denied,
            denied,
            denied,
            denied
        ]
    );
    let created = viewer
        .clone()
        .create_notebook(CreateNotebookRequest::default())
        .await
        .unwrap_err();
    assert_eq!(created.code(), Code::PermissionDenied);
    let service = house.client(&Principal::Service("billing".to_owned()));
    assert_eq!(every_call(service, &id).await, [denied; 8]);
}

async fn the_beginning_of_a_name_is_enough(engine: Engine) {
    let house = House::open(engine).await;
    let (train, test) = (
        house.create("train-big").await,
        house.create("Train-small").await,
    );
    let under = house.create("a_b").await;
    house.create("axb2").await;
    for (wanted, found) in [
        ("train", &train),
        ("Tr", &test),
        ("a_", &under),
        ("train-big", &train),
        (&train.id, &train),
    ] {
        assert_eq!(house.notebook(wanted).await.id, found.id, "{wanted}");
    }
    let both = GetNotebookRequest {
        notebook: "a".to_owned(),
    };
    let refused = house.member().get_notebook(both).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused.message().contains("a_b") && refused.message().contains("axb2"),
        "{refused}"
    );
    for (wanted, code) in [
        ("%", Code::NotFound),
        ("_", Code::NotFound),
        ("TRAIN", Code::NotFound),
        ("", Code::InvalidArgument),
        (&"x".repeat(201), Code::InvalidArgument),
    ] {
        assert_eq!(
            every_call(house.member(), wanted).await,
            [Err(code); 8],
            "{wanted}"
        );
    }
}

async fn lists_come_newest_first_in_pages(engine: Engine) {
    let house = House::open(engine).await;
    for name in ["one", "two", "three"] {
        house.create(name).await;
    }
    let list = async |after: &str, limit, name: &str| {
        let page = Some(PageRequest {
            after: after.to_owned(),
            limit,
        });
        let asked = ListNotebooksRequest {
            page,
            name: name.to_owned(),
        };
        let answer = house
            .member()
            .list_notebooks(asked)
            .await
            .unwrap()
            .into_inner();
        let names: Vec<_> = answer
            .notebooks
            .into_iter()
            .map(|notebook| notebook.name)
            .collect();
        (names, answer.page.unwrap())
    };
    let (first, page) = list("", 2, "").await;
    assert_eq!(
        (first, page.has_more),
        (vec!["three".to_owned(), "two".to_owned()], true)
    );
    let (second, page) = list(&page.next_page, 2, "").await;
    assert_eq!((second, page.has_more), (vec!["one".to_owned()], false));
    assert_eq!(list("", 0, "two").await.0, ["two"]);
    let too_many = ListNotebooksRequest {
        page: Some(PageRequest {
            after: String::new(),
            limit: 121,
        }),
        name: String::new(),
    };
    assert_eq!(
        house
            .member()
            .list_notebooks(too_many)
            .await
            .unwrap_err()
            .code(),
        Code::InvalidArgument
    );
}

testkit::on_each_engine!(
    teams_do_not_see_each_other,
    viewers_look_and_nothing_else,
    the_beginning_of_a_name_is_enough,
    lists_come_newest_first_in_pages,
);
