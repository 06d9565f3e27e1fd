//! Which thing a text names: one of its names, or the unique beginning of one.

use crate::{Error, Result};

/// The one of `candidates` that `wanted` names: by a whole name, else by a beginning that only one has. `names` gives a
/// candidate's names, the one for people last; `noun` is what candidates are.
///
/// # Errors
/// [`Error::NotFound`] when it names none, [`Error::Invalid`] when it could be several.
pub fn pick<T>(
    noun: &'static str,
    wanted: &str,
    candidates: Vec<T>,
    names: impl Fn(&T) -> Vec<String>,
) -> Result<T> {
    let unknown = || Error::not_found(noun, wanted);
    if wanted.is_empty() {
        return Err(unknown());
    }
    let any = |candidate: &T, fits: &dyn Fn(&str) -> bool| {
        names(candidate).iter().any(|name| fits(name.as_str()))
    };
    let (mut fitting, others): (Vec<_>, Vec<_>) = candidates
        .into_iter()
        .partition(|candidate| any(candidate, &|name| name == wanted));
    if fitting.is_empty() {
        fitting = others;
        fitting.retain(|candidate| any(candidate, &|name| name.starts_with(wanted)));
    }
    let found = fitting.pop().ok_or_else(unknown)?;
    if fitting.is_empty() {
        return Ok(found);
    }
    fitting.push(found);
    let shown: Vec<_> = fitting
        .iter()
        .take(SHOWN)
        .map(|candidate| names(candidate).join(" "))
        .collect();
    let more = if fitting.len() > SHOWN { ", …" } else { "" };
    Err(Error::invalid(
        noun,
        format!(
            "{wanted:?} could be {}{more}; give more of it, or the identifier",
            shown.join(", ")
        ),
    ))
}

/// Most candidates that a refusal names.
const SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Thing = (String, String);

    fn names((id, name): &Thing) -> Vec<String> {
        vec![id.clone(), name.clone()]
    }

    fn things() -> impl Strategy<Value = Vec<Thing>> {
        // Few letters, so that many begin alike.
        prop::collection::btree_set("[ab]{1,4}", 0..8).prop_map(|names: BTreeSet<String>| {
            let numbered = names.into_iter().enumerate();
            numbered
                .map(|(number, name)| (format!("id-{number}"), name))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn whole_names_win_and_beginnings_are_unique(things in things(), wanted in "([ab]{0,4}|id-[0-9]?)") {
            let fits = |thing: &Thing, whole: bool| names(thing).iter().any(|name| if whole { *name == wanted } else { name.starts_with(&wanted) });
            let whole: Vec<_> = things.iter().filter(|thing| fits(thing, true)).collect();
            let beginning: Vec<_> = things.iter().filter(|thing| fits(thing, false)).collect();
            let picked = pick("thing", &wanted, things.clone(), names);
            let is_missing = matches!(picked, Err(Error::NotFound { .. }));
            let is_unclear = matches!(picked, Err(Error::Invalid { .. }));
            match (wanted.as_str(), &whole[..], &beginning[..]) {
                ("", _, _) | (_, [], []) => prop_assert!(is_missing),
                (_, [only], _) | (_, [], [only]) => prop_assert_eq!(&picked.unwrap(), *only),
                _ => prop_assert!(is_unclear),
            }
        }
    }

    #[test]
    fn a_refusal_names_what_could_be_meant() {
        let things = ["vision", "vision-2"].map(|name| (format!("pr-{name}"), name.to_owned()));
        let refused = pick("API key", "vis", things.to_vec(), names).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "API key: \"vis\" could be pr-vision vision, pr-vision-2 vision-2; give more of it, or the identifier"
        );
    }
}
