//! Which calls last until somebody ends them.

use std::collections::HashSet;

use chassis::{Error, Result};
use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

/// Paths of all calls that stream in either direction, from the contracts themselves.
///
/// # Errors
/// When the contracts' descriptors cannot be read.
pub(super) fn streaming_calls() -> Result<HashSet<String>> {
    let set = FileDescriptorSet::decode(contracts::DESCRIPTORS)
        .map_err(|error| Error::internal("reading the contracts", error))?;
    Ok(set.file.iter().flat_map(streaming_calls_of).collect())
}

fn streaming_calls_of(file: &FileDescriptorProto) -> Vec<String> {
    let mut paths = Vec::new();
    for service in &file.service {
        for method in &service.method {
            if method.client_streaming() || method.server_streaming() {
                paths.push(format!(
                    "/{}.{}/{}",
                    file.package(),
                    service.name(),
                    method.name()
                ));
            }
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_agents_last_and_plain_calls_do_not() {
        let calls = streaming_calls().unwrap();
        assert!(
            calls.contains("/quire.agent.v1.LinkService/OpenLink"),
            "{calls:?}"
        );
        assert!(!calls.contains("/quire.notebook.v1.NotebookService/GetNotebook"));
        assert!(
            calls
                .iter()
                .all(|path| contracts::access_of(path).is_some())
        );
    }
}
