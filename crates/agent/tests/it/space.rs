//! How much files take, and what follows when that is too much.

use bytes::Bytes;
use contracts::volume::v1::VolumeQuota;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use kernel::id::VolumeId;
use testkit::eventually;

use crate::node::{Node, script, spec};

const MIB: u64 = 1 << 20;

/// Asks as an edge does.
async fn ask(node: &Node, method: &str, path: &str, body: Vec<u8>) -> (u16, String) {
    let socket = node
        .config
        .relay_dir
        .join(format!("{}.sock", node.control.node));
    let stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

fn archive(name: &str, bytes: u64) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o640);
    let content = vec![7; usize::try_from(bytes).unwrap()];
    archive
        .append_data(&mut header, name, content.as_slice())
        .unwrap();
    archive.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_told_and_copies_of_more_are_refused() {
    let mut node = Node::stopped().await;
    node.config.measure_ms = 200;
    node.start_task().await;
    let id = VolumeId::generate().to_string();
    let limit = |mib: u64| {
        *node.control.played.quotas.lock().unwrap() = vec![VolumeQuota {
            volume_id: id.clone(),
            quota_bytes: mib * MIB,
        }];
    };
    let used = || node.control.played.uses.lock().unwrap().get(&id).copied();
    let measured = async |from: u64, to: u64| {
        eventually("what the files take", || async {
            used().filter(|used| (from * MIB..to * MIB).contains(used))
        })
        .await
    };
    limit(8);
    let mut writes = script(
        "head -c 3145728 /dev/urandom > first; while [ ! -e more ]; do sleep 0.1; done; \
         head -c 9437184 /dev/urandom > second; sleep 1000",
    );
    spec(&mut writes).volume_id = id.clone();
    node.control.assign(&writes).await;
    measured(3, 4).await;

    // Said before, and as it comes.
    let files = format!("/v1/volumes/{id}/files");
    let grows = |bytes: u64| format!("{files}?path=in&grows={bytes}");
    let (status, said) = ask(&node, "PUT", &grows(6 * MIB), Vec::new()).await;
    assert_eq!(status, 412, "{said}");
    assert!(
        said.contains("of 8.0 MiB") && said.contains(&format!("quire volume resize {id}")),
        "{said}"
    );
    assert!(!node.volume(&id).join("in").exists(), "nothing was begun");
    let (status, said) = ask(&node, "PUT", &grows(MIB), archive("one", MIB)).await;
    assert_eq!(status, 200, "{said}");
    measured(4, 5).await;
    let copied = std::fs::read(node.volume(&id).join("in/one")).unwrap();
    assert_eq!(copied, vec![7; MIB as usize]);

    // Beyond the quota nothing is stopped, but nothing more is taken.
    let (status, said) = ask(&node, "PUT", &format!("{files}?path=more"), Vec::new()).await;
    assert_eq!(status, 200, "{said}");
    measured(13, 14).await;
    let (status, said) = ask(&node, "PUT", &files, archive("two", 1)).await;
    assert_eq!(status, 412, "{said}");
    assert!(said.contains("no room for more"), "{said}");
    assert!(!node.volume(&id).join("two").exists());
    node.control.running(&writes).await;

    // What is removed is room again, and a larger quota is heard.
    let (status, said) = ask(&node, "DELETE", &format!("{files}?path=second"), Vec::new()).await;
    assert_eq!(status, 200, "{said}");
    measured(4, 5).await;
    let (status, _) = ask(&node, "DELETE", &format!("{files}?path=second"), Vec::new()).await;
    assert_eq!(status, 404);
    let (status, said) = ask(&node, "DELETE", &files, Vec::new()).await;
    assert_eq!(status, 400, "{said}");
    limit(100);
    let (name, content) = (grows(50 * MIB), Vec::new());
    eventually("the larger quota", || async {
        (ask(&node, "PUT", &name, content.clone()).await.0 == 200).then_some(())
    })
    .await;
    node.control.stop(&writes, "user").await;
    node.control.ended(&writes).await;
}
