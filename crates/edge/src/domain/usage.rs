//! What counts as somebody's use of a notebook, and what an open page asks for by itself. An open tab keeps connections, answers
//! pings and asks for news again and again: none of that is use.

use http::{HeaderMap, Method};

/// Whether a request is use. As long as it is open, Jupyter's own page asks for news (kernels, sessions, terminals, files), every
/// 10 s, and as often `JupyterLab` writes down how it looks (its workspace), whether anybody touched it or not. All else that
/// changes something is use, and all that a program behind the notebook is asked for.
pub(crate) fn is_use(method: &Method, path: &str) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    match path {
        path if path.starts_with("/lab/api/workspaces") => false,
        path if path.starts_with("/api/") || path.starts_with("/lab/api/") => !reads,
        _ => true,
    }
}

/// Whether a request to a program behind another port is use: what changes something, what somebody goes to, and what is asked by
/// no page. What a page asks for by itself is not: many ask again and again as long as they are open.
pub(crate) fn is_use_of_program(method: &Method, headers: &HeaderMap) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let by = headers.get("sec-fetch-mode");
    !reads || by.is_none_or(|mode| mode == "navigate")
}

/// Whether messages on a WebSocket at this path can be use: those to kernels, terminals, and programs behind the notebook. On its
/// other WebSockets Jupyter's page tells where its cursors are, and hears of events.
pub(crate) fn is_used_socket(path: &str) -> bool {
    !path.starts_with("/api/") || path.starts_with("/api/kernels/")
}

/// Finds messages in one direction of a WebSocket (RFC 6455, section 5.2): data frames, not pings, pongs and closes. Only heads of
/// frames are looked at; what they carry passes by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frames {
    /// Bytes of a head that is not complete yet.
    head: Vec<u8>,
    /// Bytes of the frame's content that are still to come.
    content: u64,
}

impl Frames {
    /// Reads on; `true` when a data frame began.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> bool {
        let mut data = false;
        while !bytes.is_empty() {
            if self.content > 0 {
                let passing = usize::try_from(self.content)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                self.content = self.content.saturating_sub(passing as u64);
                bytes = bytes.get(passing..).unwrap_or_default();
                continue;
            }
            let Some((first, rest)) = bytes.split_first() else {
                break;
            };
            self.head.push(*first);
            bytes = rest;
            if let Some((opcode, length)) = head(&self.head) {
                // 0 goes on with a message, 1 is text, 2 is bytes; from 8 on they are about the connection.
                data |= opcode < 8;
                self.content = length;
                self.head.clear();
            }
        }
        data
    }
}

/// Opcode and length of the content, once the head is complete.
fn head(bytes: &[u8]) -> Option<(u8, u64)> {
    let [first, second, rest @ ..] = bytes else {
        return None;
    };
    let longer = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    if rest.len() < longer + mask {
        return None;
    }
    let length = match longer {
        0 => u64::from(second & 0x7f),
        _ => rest
            .iter()
            .take(longer)
            .fold(0, |length, byte| (length << 8) | u64::from(*byte)),
    };
    Some((first & 0x0f, length))
}

#[cfg(test)]
mod tests {
    #[test]
    fn at_other_ports_only_what_pages_ask_for_by_themselves_is_no_use() {
        let used = |method: Method, mode: Option<&'static str>| {
            let mode = mode.map(|mode| ("sec-fetch-mode".parse().unwrap(), mode.parse().unwrap()));
            is_use_of_program(&method, &HeaderMap::from_iter(mode))
        };
        assert!(used(Method::GET, Some("navigate")) && used(Method::GET, None));
        assert!(used(Method::POST, Some("cors")) && used(Method::DELETE, None));
        for mode in ["cors", "no-cors", "same-origin"] {
            assert!(!used(Method::GET, Some(mode)), "{mode}");
            assert!(!used(Method::HEAD, Some(mode)), "{mode}");
        }
    }

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn news_are_no_use() {
        for (method, path, used) in [
            (Method::GET, "/api/kernels", false),
            (Method::GET, "/api/contents/a.ipynb", false),
            (Method::HEAD, "/api/status", false),
            (Method::GET, "/lab/api/workspaces/default", false),
            (Method::PUT, "/lab/api/workspaces/default", false),
            (Method::GET, "/lab/api/settings", false),
            (
                Method::PUT,
                "/lab/api/settings/@jupyterlab/apputils-extension:themes",
                true,
            ),
            (Method::POST, "/api/kernels", true),
            (Method::PUT, "/api/contents/a.ipynb", true),
            (Method::PATCH, "/api/sessions/1", true),
            (Method::DELETE, "/api/terminals/1", true),
            (Method::GET, "/lab", true),
            (Method::GET, "/files/a.csv", true),
            (Method::GET, "/proxy/6006/data", true),
        ] {
            assert_eq!(is_use(&method, path), used, "{method} {path}");
        }
        for (path, used) in [
            ("/api/kernels/1/channels", true),
            ("/terminals/websocket/1", true),
            ("/proxy/6006/live", true),
            ("/api/events/subscribe", false),
            ("/api/collaboration/room/1", false),
        ] {
            assert_eq!(is_used_socket(path), used, "{path}");
        }
    }

    /// A frame as a browser sends it.
    fn frame(opcode: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0x80 | opcode];
        match length {
            0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
            126..65_536 => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend([1, 2, 3, 4]);
        bytes.extend(vec![0x81; length]);
        bytes
    }

    proptest! {
        /// However the bytes are cut, each message is found, and pings and pongs are not taken for one.
        #[test]
        fn messages_are_found(
            frames in prop::collection::vec((prop::sample::select(vec![0_u8, 1, 2, 8, 9, 10]), prop::sample::select(vec![0_usize, 1, 125, 126, 300, 65_535, 65_536])), 1..6),
            piece in 1_usize..5_000,
        ) {
            let mut reader = Frames::default();
            for (opcode, length) in frames {
                let bytes = frame(opcode, length);
                let found = bytes.chunks(piece).filter(|piece| reader.read(piece)).count();
                prop_assert_eq!(found, usize::from(opcode < 8));
            }
        }
    }
}
