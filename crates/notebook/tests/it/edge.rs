//! A played edge: it answers for the notebooks behind it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// What a notebook answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// `/api/kernels`, `/api/terminals` and `/.quire/signs`.
    Activities(String, String, String),
    /// `/.quire/files`: a list, an archive of what is asked for, and whether a start waits for files.
    Files(Vec<u8>, Vec<u8>, bool),
    /// The edge does not reach it.
    BadGateway,
    /// The line breaks.
    HangUp,
}

/// A question that came to the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) authorization: String,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, Default)]
struct Known {
    answers: HashMap<String, Answer>,
    asked: Vec<Asked>,
}

/// A running edge.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) address: String,
    known: Arc<Mutex<Known>>,
    _server: AbortOnDropHandle<()>,
}

impl Edge {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let known = Arc::<Mutex<Known>>::default();
        let server = tokio::spawn(serve(listener, known.clone()));
        Self {
            address,
            known,
            _server: AbortOnDropHandle::new(server),
        }
    }

    /// From now on the notebook with this host answers so.
    pub(crate) fn answers(&self, host: &str, answer: Answer) {
        self.known
            .lock()
            .unwrap()
            .answers
            .insert(host.to_owned(), answer);
    }

    /// All questions so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.known.lock().unwrap().asked.clone()
    }
}

async fn serve(listener: TcpListener, known: Arc<Mutex<Known>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let known = known.clone();
        tokio::spawn(async move { converse(stream, &known).await.ok() });
    }
}

async fn converse(mut stream: TcpStream, known: &Mutex<Known>) -> std::io::Result<()> {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    let first = lines.next_line().await?.unwrap_or_default();
    let mut headers = HashMap::new();
    while let Some(line) = lines.next_line().await?.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    lines.into_inner().read_exact(&mut body).await?;
    let asked = Asked {
        body,
        path: first.split(' ').nth(1).unwrap_or_default().to_owned(),
        host: header("host"),
        authorization: header("authorization"),
    };
    let answer = {
        let mut known = known.lock().unwrap();
        known.asked.push(asked.clone());
        known.answers.get(&asked.host).cloned()
    };
    let (status, body) = match answer.unwrap_or(Answer::BadGateway) {
        Answer::Activities(kernels, terminals, signs) => {
            let body = match asked.path.as_str() {
                "/api/kernels" => kernels,
                "/api/terminals" => terminals,
                "/.quire/signs" => signs,
                other => panic!("nobody shall ask for {other}"),
            };
            ("200 OK", body.into_bytes())
        }
        Answer::Files(list, archive, waits) => {
            match (first.split(' ').next().unwrap(), asked.path.as_str()) {
                ("GET", "/.quire/files") => ("200 OK", list),
                ("POST", "/.quire/files") => ("200 OK", archive),
                ("GET" | "PUT", "/.quire/files?path=.quire/template") if waits => {
                    ("200 OK", Vec::new())
                }
                ("GET", "/.quire/files?path=.quire/template") => ("404 Not Found", Vec::new()),
                other => panic!("nobody shall ask for {other:?}"),
            }
        }
        Answer::BadGateway => ("502 Bad Gateway", Vec::new()),
        Answer::HangUp => return Ok(()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    write.write_all(head.as_bytes()).await?;
    write.write_all(&body).await
}
