//! Programs that tests start.

use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::{io, thread};

/// A program that ends with this value.
#[derive(Debug)]
pub(crate) struct Program(Child);

/// A command, and whom to tell how its start went.
type Order = (Command, mpsc::Sender<(Command, io::Result<Child>)>);

impl Program {
    /// Starts one.
    pub(crate) fn start(mut command: Command) -> Self {
        let child = silenced(&mut command).spawn();
        Self::started(&command, child)
    }

    /// Starts one that is bound to the life of the thread that starts it (`setpriv --pdeathsig`): on a thread that lasts as long as
    /// this process, so that it ends with the whole, not with one test.
    pub(crate) fn start_to_last(command: Command) -> Self {
        static STARTER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
        let starter = STARTER.get_or_init(|| {
            let (orders, received) = mpsc::channel::<Order>();
            thread::spawn(move || {
                for (mut command, started) in received {
                    let child = silenced(&mut command).spawn();
                    started.send((command, child)).ok();
                }
            });
            orders
        });
        let (started, child) = mpsc::channel();
        starter
            .send((command, started))
            .expect("the thread that starts programs");
        let (command, child) = child.recv().expect("the thread that starts programs");
        Self::started(&command, child)
    }

    fn started(command: &Command, child: io::Result<Child>) -> Self {
        Self(child.unwrap_or_else(|error| {
            panic!("starting {command:?}: {error}; scripts/test installs what tests need")
        }))
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }

    /// Whether it has ended, by itself or killed.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_some())
    }
}

fn silenced(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
