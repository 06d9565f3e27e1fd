//! Lines about notebooks.

use bus::Delivery;
use contracts::from_wire_time;
use contracts::notebook::v1::{
    NotebookChanged, NotebookExtended, NotebookIdleWarned, NotebookReconfigured, NotebookShared,
    TemplateChanged,
};
use prost_types::Timestamp;

use super::{because, word};

/// The line of an event about one.
pub(super) fn line(delivery: &Delivery) -> Option<String> {
    super::line(delivery, changed)
        .or_else(|| super::line(delivery, reconfigured))
        .or_else(|| super::line(delivery, shared))
        .or_else(|| super::line(delivery, warned))
        .or_else(|| super::line(delivery, extended))
        .or_else(|| super::line(delivery, template))
}

fn template(event: TemplateChanged) -> String {
    let template = event.template.unwrap_or_default();
    let name = &template.name;
    if event.deleted {
        return format!("template {name:?} was deleted");
    }
    format!(
        "template {name:?} was made from notebook {}, with {} files in environment {}",
        template.notebook_id,
        template.files.len(),
        template.environment
    )
}

fn changed(event: NotebookChanged) -> String {
    let notebook = event.notebook.unwrap_or_default();
    let name = &notebook.name;
    if event.deleted {
        return format!("notebook {name:?} was deleted");
    }
    let state = word(notebook.state().as_str_name(), "NOTEBOOK_STATE_");
    let mut state_letters = state.chars();
    // As people see it everywhere else: "Running".
    let state: String = state_letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(state_letters)
        .collect();
    let files = match notebook.files_note.as_str() {
        "" => String::new(),
        note => format!("; {note}"),
    };
    format!(
        "notebook {name:?} is {state}{}{files}",
        because(&notebook.reason)
    )
}

fn reconfigured(event: NotebookReconfigured) -> String {
    let name = event.notebook.unwrap_or_default().name;
    format!("notebook {name:?} was changed: {}", event.what)
}

fn shared(event: NotebookShared) -> String {
    let name = event.notebook.unwrap_or_default().name;
    let share = event.share.unwrap_or_default();
    let access = word(share.access().as_str_name(), "SHARE_ACCESS_");
    let whom = match share.email.as_str() {
        "" => "whoever has a link",
        email => email,
    };
    if event.revoked {
        return format!("notebook {name:?} is not shared with {whom} any more ({access})");
    }
    format!("notebook {name:?} is shared with {whom} ({access})")
}

fn warned(event: NotebookIdleWarned) -> String {
    let notebook = event.notebook.unwrap_or_default();
    let at = minute(notebook.stops_at.as_ref());
    let (name, why) = (&notebook.name, &notebook.stops_because);
    format!("notebook {name:?} will stop at {at} because {why}")
}

fn extended(event: NotebookExtended) -> String {
    let notebook = event.notebook.unwrap_or_default();
    let until = minute(notebook.kept_until.as_ref());
    let who = match event.user_id.as_str() {
        "" => "a visitor",
        user => user,
    };
    format!(
        "notebook {:?} is kept until {until}, as {who} wishes",
        notebook.name
    )
}

/// A time as people read it.
fn minute(time: Option<&Timestamp>) -> String {
    let known = time.and_then(|time| from_wire_time("time", *time).ok());
    known.map_or_else(
        || "a time that is not said".to_owned(),
        |time| time.format("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use contracts::notebook::v1::{Notebook, NotebookShare, ShareAccess, Template};

    use super::super::tests::line_of;
    use super::*;

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos: 0 })
    }

    #[test]
    fn idle_notebooks_are_told_of_with_time_and_reason() {
        let notebook = Notebook {
            name: "mine".to_owned(),
            stops_at: at(50_700),
            stops_because: "its kernels have been idle since 13:05 UTC".to_owned(),
            kept_until: at(54_000),
            ..Notebook::default()
        };
        let warned = NotebookIdleWarned {
            notebook: Some(notebook.clone()),
        };
        assert_eq!(
            line_of(&warned),
            "notebook \"mine\" will stop at 1970-01-01 14:05 UTC because its kernels have been idle since 13:05 UTC"
        );
        let mut extended = NotebookExtended {
            notebook: Some(notebook),
            asked_seconds: 7_200,
            user_id: "us-1".to_owned(),
            extended_at: at(46_800),
        };
        let kept = "notebook \"mine\" is kept until 1970-01-01 15:00 UTC, as";
        assert_eq!(line_of(&extended), format!("{kept} us-1 wishes"));
        extended.user_id.clear();
        assert_eq!(line_of(&extended), format!("{kept} a visitor wishes"));
    }

    #[test]
    fn shares_are_told_of_with_whom_and_for_what() {
        let by_link = NotebookShared {
            notebook: Some(Notebook {
                name: "mine".to_owned(),
                ..Notebook::default()
            }),
            share: Some(NotebookShare {
                access: ShareAccess::View.into(),
                ..NotebookShare::default()
            }),
            ..NotebookShared::default()
        };
        assert_eq!(
            line_of(&by_link),
            "notebook \"mine\" is shared with whoever has a link (view)"
        );
        let taken_back = NotebookShared {
            share: Some(NotebookShare {
                access: ShareAccess::Use.into(),
                email: "ada@lab.example".to_owned(),
                ..NotebookShare::default()
            }),
            revoked: true,
            ..by_link
        };
        assert_eq!(
            line_of(&taken_back),
            "notebook \"mine\" is not shared with ada@lab.example any more (use)"
        );
    }

    #[test]
    fn templates_are_told_of_with_what_they_came_from() {
        let mut event = TemplateChanged {
            template: Some(Template {
                name: "course".to_owned(),
                notebook_id: "nb-1".to_owned(),
                environment: "frames".to_owned(),
                ..Template::default()
            }),
            ..TemplateChanged::default()
        };
        let made =
            "template \"course\" was made from notebook nb-1, with 0 files in environment frames";
        assert_eq!(line_of(&event), made);
        event.deleted = true;
        assert_eq!(line_of(&event), "template \"course\" was deleted");
    }
}
