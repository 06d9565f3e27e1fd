//! What is asked for at the same time, done together: in one transaction, and with one wait for the disk.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chassis::{Error, Result, error};
use tokio::sync::{Mutex as Turn, oneshot};

/// Most that is done in one go.
const MOST: usize = 256;

/// Askers, and who does what they ask. One batch is on its way at a time; who asks meanwhile is in the next one.
#[derive(Debug)]
pub(crate) struct Together<Q, A>(Arc<Inner<Q, A>>);

#[derive(Debug)]
struct Inner<Q, A> {
    waiting: Mutex<VecDeque<(Q, oneshot::Sender<Result<A>>)>>,
    turn: Turn<()>,
}

impl<Q, A> Clone for Together<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q, A> Default for Together<Q, A> {
    fn default() -> Self {
        Self(Arc::new(Inner {
            waiting: Mutex::default(),
            turn: Turn::default(),
        }))
    }
}

impl<Q, A> Together<Q, A>
where
    Q: Clone + Send + 'static,
    A: Send + 'static,
{
    /// Has `act` done for `asked`, together with what others ask now. `act` gives one answer for each; when it fails for many, each
    /// is done alone, so that nobody fails for what another asked.
    pub(crate) async fn ask<F, R>(&self, asked: Q, act: F) -> Result<A>
    where
        F: Fn(Vec<Q>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<A>>> + Send,
    {
        let (sender, receiver) = oneshot::channel();
        self.waiting().push_back((asked, sender));
        let all = self.clone();
        // A task of its own: an asker that goes away must not take along what others asked.
        tokio::spawn(async move { all.do_next(act).await });
        receiver
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("it was not done; ask again".to_owned())))
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<(Q, oneshot::Sender<Result<A>>)>> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn do_next<F, R>(&self, act: F)
    where
        F: Fn(Vec<Q>) -> R,
        R: Future<Output = Result<Vec<A>>>,
    {
        let _turn = self.0.turn.lock().await;
        let (asked, senders): (Vec<Q>, Vec<_>) = {
            let mut waiting = self.waiting();
            let count = waiting.len().min(MOST);
            waiting.drain(..count).unzip()
        };
        if asked.is_empty() {
            return;
        }
        let answers = match act(asked.clone()).await {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            Err(error) if asked.len() == 1 => vec![Err(error)],
            Err(error) if error.code().is_retryable() => {
                let why = error::chain(&error);
                let all = asked.iter();
                all.map(|_| Err(Error::Unavailable(why.clone()))).collect()
            }
            Err(_) => {
                let mut alone = Vec::with_capacity(asked.len());
                for one in asked {
                    let answer = act(vec![one]).await;
                    alone.push(answer.and_then(|mut answers| {
                        let missing = || Error::internal("answering together", "no answer");
                        answers.pop().ok_or_else(missing)
                    }));
                }
                alone
            }
        };
        for (sender, answer) in senders.into_iter().zip(answers) {
            // Who does not wait any more does not care.
            sender.send(answer).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn double(numbers: Vec<u32>) -> Result<Vec<u32>> {
        if numbers.contains(&13) {
            return Err(Error::invalid("number", "is 13"));
        }
        Ok(numbers.into_iter().map(|number| number * 2).collect())
    }

    #[tokio::test]
    async fn each_gets_an_answer_of_its_own_and_nobody_fails_for_another() {
        let together = Together::<u32, u32>::default();
        let asked = (0..1_000).map(|number| {
            let together = together.clone();
            tokio::spawn(async move { together.ask(number, double).await })
        });
        let asked: Vec<_> = asked.collect();
        for (number, answer) in (0..).zip(asked) {
            let answer: Result<u32> = answer.await.unwrap();
            assert_eq!(answer.ok(), (number != 13).then_some(number * 2));
        }
    }

    #[tokio::test]
    async fn what_waits_is_done_in_one_go() {
        let together = Together::<u32, usize>::default();
        let turn = together.0.turn.lock().await;
        let ask = |number| {
            let together = together.clone();
            let all = |asked: Vec<u32>| async move { Ok(vec![asked.len(); asked.len()]) };
            tokio::spawn(async move { together.ask(number, all).await })
        };
        let asked: Vec<_> = (0..3).map(ask).collect();
        while together.waiting().len() < 3 {
            tokio::task::yield_now().await;
        }
        drop(turn);
        for answer in asked {
            assert_eq!(answer.await.unwrap().ok(), Some(3));
        }
    }
}
