//! Every call of every service of the split installation, made by every kind of caller: who passes is exactly what the table says
//! that is checked in beside `contracts::access`. What is sent is no message, so a call that passes the door fails on it and has
//! no effect, and one that is refused was refused before anything of it was read.

use std::path::Path;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _};
use chassis::grpc::connect;
use contracts::ACCESS;
use contracts::common::v1::Role;
use contracts::identity::v1::ExchangeKeyRequest;
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use serde_json::Value;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::installation::Installation;
use crate::split::SERVICES;
use crate::wiring::Wiring;

const TABLE: &str = include_str!("../../crates/contracts/src/access.txt");
/// Longest time that a call may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Writes what no message is: the number of a field that goes on and does not. Reads nothing.
#[derive(Clone, Copy, Debug)]
struct NoMessage;

impl Codec for NoMessage {
    type Encode = ();
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for NoMessage {
    type Item = ();
    type Error = Status;

    fn encode(&mut self, (): (), buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_u8(0xff);
        Ok(())
    }
}

impl Decoder for NoMessage {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        buffer.advance(buffer.remaining());
        Ok(Some(()))
    }
}

/// One line of the table.
struct Row {
    call: &'static str,
    least: Role,
    in_project: bool,
    permission: &'static str,
    services: Vec<&'static str>,
    agent: bool,
    anonymous: bool,
}

impl Row {
    fn read(line: &'static str) -> Self {
        let cells: Vec<_> = line.split_whitespace().collect();
        let [
            call,
            least,
            in_project,
            permission,
            services,
            agent,
            anonymous,
        ] = cells[..]
        else {
            panic!("{line:?} has not seven columns");
        };
        Self {
            call,
            least: match least {
                "-" => Role::Unspecified,
                named => Role::from_str_name(&format!("ROLE_{}", named.to_uppercase())).unwrap(),
            },
            in_project: in_project != "-",
            permission,
            services: services.split(',').collect(),
            agent: agent != "-",
            anonymous: anonymous != "-",
        }
    }
}

/// Who calls.
enum Who {
    /// Nobody that is known.
    Nobody,
    User {
        role: Role,
        /// The highest one that they hold in a project.
        in_project: Role,
        operator: bool,
        /// What their key is for; `None` = everything.
        scope: Option<&'static str>,
    },
    Service(&'static str),
    Node,
}

impl Who {
    /// What the table says of their call.
    fn expected(&self, row: &Row) -> Code {
        let may = row.anonymous
            || match self {
                Self::Nobody => return Code::Unauthenticated,
                Self::Service(name) => row.services.contains(name),
                Self::Node => row.agent,
                Self::User {
                    role,
                    in_project,
                    operator,
                    scope,
                } => {
                    let holds = match row.least {
                        Role::Unspecified => false,
                        Role::Operator => *operator,
                        least => *role >= least || row.in_project && *in_project >= least,
                    };
                    holds && scope.is_none_or(|scope| scope == row.permission)
                }
            };
        // What passes fails on what it is sent.
        if may {
            Code::Internal
        } else {
            Code::PermissionDenied
        }
    }
}

struct Caller {
    name: String,
    /// Empty = the call shows nothing.
    bearer: String,
    who: Who,
}

impl Caller {
    fn user(name: &str, key: &Value, role: Role) -> Self {
        Self {
            name: name.to_owned(),
            bearer: key.as_str().unwrap().to_owned(),
            who: Who::User {
                role,
                in_project: Role::Unspecified,
                operator: false,
                scope: None,
            },
        }
    }

    async fn call(&self, channel: &Channel, path: &'static str) -> Status {
        let mut request = Request::new(());
        request.set_timeout(DEADLINE);
        if !self.bearer.is_empty() {
            let shown = format!("Bearer {}", self.bearer).parse().unwrap();
            request.metadata_mut().insert("authorization", shown);
        }
        let mut client = Grpc::new(channel.clone());
        client.ready().await.unwrap();
        let path = path.parse().unwrap();
        let answered = client.unary(request, path, NoMessage).await;
        answered.expect_err("nothing answers what is no message")
    }
}

/// People of the first team, one a role; one who is more in a project than in the team; the owner of another team.
fn people(quire: &Installation) -> Vec<Caller> {
    let mut people = Vec::new();
    let add = |name: &str, role: &str| {
        let email = format!("{name}@main.example");
        quire.quire(&["user", "create", &email, "--role", role])
    };
    for (name, role) in [
        ("viewer", Role::Viewer),
        ("member", Role::Member),
        ("admin", Role::Admin),
        ("owner", Role::Owner),
    ] {
        people.push(Caller::user(name, &add(name, name)["key"], role));
    }
    let lead = add("lead", "viewer");
    let grant = ["project", "member", "add", "default", "lead@main.example"];
    quire.quire(&[&grant[..], &["--role", "admin"]].concat());
    let mut lead = Caller::user("admin of a project", &lead["key"], Role::Viewer);
    if let Who::User { in_project, .. } = &mut lead.who {
        *in_project = Role::Admin;
    }
    people.push(lead);
    let owner = ["--owner", "owner@other.example"];
    let other = quire.quire(&[&["team", "create", "other"][..], &owner].concat());
    people.push(Caller::user(
        "owner of another team",
        &other["key"],
        Role::Owner,
    ));
    people
}

/// The operator, and a key of theirs that may only read one area.
fn operators(quire: &Installation) -> Vec<Caller> {
    let scope = "notebook:read";
    let narrow = quire.quire(&["api-key", "create", "narrow", "--scope", scope]);
    let keys = [
        ("operator", Value::from(quire.key.as_str()), None),
        ("narrow key", narrow["key"].clone(), Some(scope)),
    ];
    let operator = |(name, key, scope)| Caller {
        who: Who::User {
            role: Role::Owner,
            in_project: Role::Unspecified,
            operator: true,
            scope,
        },
        ..Caller::user(name, &key, Role::Owner)
    };
    keys.map(operator).into()
}

/// Services show tokens: their keys do not come through the gateway's door.
async fn services(channel: &Channel) -> Vec<Caller> {
    let mut callers = Vec::new();
    for name in SERVICES.into_iter().chain(["edge", "gateway", "up"]) {
        let asked = ExchangeKeyRequest {
            key: format!("qs_test_{name}"),
        };
        let mut identity = IdentityServiceClient::new(channel.clone());
        let token = identity.exchange_key(asked);
        callers.push(Caller {
            name: format!("service {name}"),
            bearer: token.await.unwrap().into_inner().token,
            who: Who::Service(name),
        });
    }
    callers
}

fn strangers(agent: &Path) -> Vec<Caller> {
    let node: Value = serde_json::from_slice(&std::fs::read(agent).unwrap()).unwrap();
    let node = node["node_key"].as_str().unwrap().to_owned();
    let wrong = format!("qk_{}", "x".repeat(43));
    let named = [
        ("node", node, Who::Node),
        ("wrong key", wrong, Who::Nobody),
        ("nobody", String::new(), Who::Nobody),
    ];
    let caller = |(name, bearer, who): (&str, String, Who)| Caller {
        name: name.to_owned(),
        bearer,
        who,
    };
    named.map(caller).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_caller_may_make_exactly_the_calls_of_the_table() {
    let rows: Vec<_> = TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(Row::read)
        .collect();
    let calls: Vec<_> = rows.iter().map(|row| row.call).collect();
    let contracts: Vec<_> = ACCESS.iter().map(|access| access.path).collect();
    assert_eq!(calls, contracts);

    let settings = [
        ("identity", "SERVICE_KEYS__EDGE", "qs_test_edge"),
        ("identity", "SERVICE_KEYS__GATEWAY", "qs_test_gateway"),
        ("identity", "SERVICE_KEYS__UP", "qs_test_up"),
    ];
    let mut quire = Installation::start_wired(Wiring {
        settings: settings.into(),
        ..Wiring::default()
    });
    let address = quire.server().parse().unwrap();
    let channel = connect(&address, &quire.trust()).unwrap();
    let mut callers = people(&quire);
    callers.extend(operators(&quire));
    callers.extend(services(&channel).await);
    callers.extend(strangers(&quire.split().folder.join("agent/node.json")));
    let before = quire.quire(&["notebook", "list"]);
    let mut wrong = Vec::new();
    for caller in &callers {
        for row in &rows {
            let said = caller.call(&channel, row.call).await;
            if said.code() != caller.who.expected(row) {
                wrong.push(format!("{}: {} is answered {said}", caller.name, row.call));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), quire.log());
    assert_eq!(quire.quire(&["notebook", "list"]), before);
}
