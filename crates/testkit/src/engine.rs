//! Both database engines: what a service promises it promises on each.

use secrecy::SecretString;
use tempfile::TempDir;

use crate::Postgres;

/// A database engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// The PostgreSQL of this test program.
    Postgres,
}

/// A fresh database; a file ends with this value.
#[derive(Debug)]
pub struct Database {
    url: SecretString,
    _folder: Option<TempDir>,
}

impl Engine {
    /// A fresh database of this engine.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn database(self) -> Database {
        match self {
            Self::Sqlite => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let url = format!("sqlite://{}/test.db", folder.path().display()).into();
                Database {
                    url,
                    _folder: Some(folder),
                }
            }
            Self::Postgres => Database {
                url: Postgres::shared().database().into(),
                _folder: None,
            },
        }
    }
}

impl Database {
    /// Its URL, as a service is told it.
    pub fn url(&self) -> SecretString {
        self.url.clone()
    }
}

/// Makes a test on SQLite and one on PostgreSQL of each `async fn(Engine)` that is named.
#[macro_export]
macro_rules! on_each_engine {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::Engine::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::Engine::Postgres).await;
            })*
        }
    };
}
