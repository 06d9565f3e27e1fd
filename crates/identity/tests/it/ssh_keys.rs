//! Public keys for ssh: whose they are, and whose let in where.

use contracts::common::v1::Role;
use contracts::identity::v1::{
    CreateProjectRequest, CreateSshKeyRequest, DeleteSshKeyRequest, ListProjectSshKeysRequest,
    ListSshKeysRequest, RemoveUserRequest, SetProjectMemberRequest, SshKey, SshKeyChanged,
};
use testkit::{Engine, eventually};
use tonic::{Code, Status};

use crate::house::{Client, House};

const ADA: &str = "ada@lab.example";

/// Different public keys: nobody has the private ones.
fn public_key(number: u8) -> String {
    let mut key = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20".to_vec();
    key.extend([number; 32]);
    format!("ssh-ed25519 {}", base64(&key))
}

/// Standard base 64 (RFC 4648) of a length that divides by three.
fn base64(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks_exact(3).flat_map(|three| {
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        [18, 12, 6, 0].map(|shift| char::from(alphabet[((bits >> shift) & 63) as usize]))
    });
    digits.collect()
}

async fn add(client: &mut Client, asked: CreateSshKeyRequest) -> Result<SshKey, Status> {
    let made = client.create_ssh_key(asked).await?.into_inner();
    Ok(made.ssh_key.unwrap())
}

fn new_key(name: &str, number: u8) -> CreateSshKeyRequest {
    CreateSshKeyRequest {
        name: name.to_owned(),
        public_key: format!("{} someone@laptop\n", public_key(number)),
        ..CreateSshKeyRequest::default()
    }
}

async fn listed(client: &mut Client) -> Vec<String> {
    let keys = client
        .list_ssh_keys(ListSshKeysRequest::default())
        .await
        .unwrap();
    let keys = keys.into_inner().ssh_keys.into_iter();
    keys.map(|key| key.name).collect()
}

async fn delete(client: &mut Client, id: &str) -> Result<String, Status> {
    let asked = DeleteSshKeyRequest { id: id.to_owned() };
    let gone = client.delete_ssh_key(asked).await?.into_inner();
    Ok(gone.ssh_key.unwrap().name)
}

async fn a_key_is_its_owners(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let ada_key = house.member(&owner_key, ADA, Role::Viewer).await;
    let (mut owner, mut ada) = (house.client(&owner_key).await, house.client(&ada_key).await);

    let named = CreateSshKeyRequest {
        request_id: "one".to_owned(),
        ..new_key("", 1)
    };
    let made = add(&mut ada, named.clone()).await.unwrap();
    assert_eq!(
        (made.name.as_str(), made.public_key),
        ("someone@laptop", public_key(1))
    );
    assert!(made.fingerprint.starts_with("SHA256:"));
    let again = add(&mut ada, named.clone()).await.unwrap();
    assert_eq!(again.id, made.id, "the same request");
    let again = add(&mut ada, new_key("", 1)).await.unwrap();
    assert_eq!(again.id, made.id, "the same key");
    let other = CreateSshKeyRequest {
        request_id: "one".to_owned(),
        ..new_key("", 2)
    };
    for (asked, code) in [
        (other, Code::AlreadyExists),
        (new_key("another name", 1), Code::AlreadyExists),
        (new_key("someone@laptop", 2), Code::AlreadyExists),
        (CreateSshKeyRequest::default(), Code::InvalidArgument),
    ] {
        let refused = add(&mut ada, asked.clone()).await.unwrap_err();
        assert_eq!(refused.code(), code, "{asked:?}: {refused}");
    }

    add(&mut owner, new_key("desk", 1)).await.unwrap();
    assert_eq!(listed(&mut ada).await, ["someone@laptop"]);
    assert_eq!(listed(&mut owner).await, ["desk", "someone@laptop"]);
    let hidden = delete(&mut ada, "desk").await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
    assert_eq!(
        delete(&mut owner, &made.id).await.unwrap(),
        "someone@laptop"
    );
    assert_eq!(listed(&mut ada).await, [""; 0]);
    let gone = add(&mut ada, named).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound, "it was made, and is gone");

    for number in 0..20 {
        add(&mut ada, new_key(&format!("key {number}"), number))
            .await
            .unwrap();
    }
    let full = add(&mut ada, new_key("one more", 99)).await.unwrap_err();
    assert_eq!(full.code(), Code::ResourceExhausted);
    assert!(full.message().contains("at most 20"), "{full}");
    let told: Vec<SshKeyChanged> = eventually("all events", || async {
        let told: Vec<SshKeyChanged> = house.nats.events().await;
        (told.len() >= 23).then_some(told)
    })
    .await;
    assert_eq!(told.iter().filter(|event| event.deleted).count(), 1);
}

async fn who_may_use_a_project_is_let_in(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let stranger = house.team("shop").await;
    let ada_key = house.member(&owner_key, ADA, Role::Member).await;
    let viewer_key = house
        .member(&owner_key, "eve@lab.example", Role::Viewer)
        .await;
    let mut owner = house.client(&owner_key).await;
    let vision = CreateProjectRequest {
        name: "vision".to_owned(),
        ..CreateProjectRequest::default()
    };
    let vision = owner.create_project(vision).await.unwrap().into_inner();
    let vision = vision.project.unwrap();
    for (key, number) in [
        (&owner_key, 1),
        (&ada_key, 2),
        (&viewer_key, 3),
        (&stranger, 4),
    ] {
        add(&mut house.client(key).await, new_key("key", number))
            .await
            .unwrap();
    }
    // Another person with the same key: it is told once.
    add(&mut owner, new_key("shared", 2)).await.unwrap();
    let mut service = house.service("notebook").await;
    let asked = ListProjectSshKeysRequest {
        team_id: vision.team_id.clone(),
        project_id: vision.id.clone(),
    };
    let mut let_in = async || {
        let keys = service.list_project_ssh_keys(asked.clone()).await.unwrap();
        keys.into_inner().public_keys
    };
    assert_eq!(let_in().await, [public_key(1), public_key(2)]);
    delete(&mut owner, "shared").await.unwrap();

    let role = |user: &str, role: Role, no_access| SetProjectMemberRequest {
        project: "vision".to_owned(),
        user: user.to_owned(),
        role: role.into(),
        no_access,
    };
    for asked in [
        role(ADA, Role::Unspecified, true),
        role("eve@lab.example", Role::Member, false),
        // Who leads the team stays at least an admin.
        role("owner@lab.example", Role::Viewer, false),
    ] {
        owner.set_project_member(asked).await.unwrap();
    }
    assert_eq!(let_in().await, [public_key(1), public_key(3)]);

    let asked = RemoveUserRequest {
        user: "eve@lab.example".to_owned(),
    };
    owner.remove_user(asked).await.unwrap();
    assert_eq!(let_in().await, [public_key(1)]);
    house
        .member(&owner_key, "eve@lab.example", Role::Member)
        .await;
    assert_eq!(let_in().await, [public_key(1)], "her keys went with her");
}

testkit::on_each_engine!(a_key_is_its_owners, who_may_use_a_project_is_let_in);
