//! What a request says in its path, its query and its headers.

use axum::extract::{FromRequestParts, Path, Query};
use chassis::Error;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::failure::Failure;

/// Longest identifier or name in a path, in characters.
const LONGEST_ID: usize = 200;
/// Longest request id, in characters.
const LONGEST_REQUEST_ID: usize = 128;

/// The identifier or name in the path.
#[derive(Debug)]
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Error::invalid("path", rejection.body_text()))?;
        let length = text.chars().count();
        if length > LONGEST_ID {
            let problem = format!("has {length} characters; at most {LONGEST_ID} are allowed");
            return Err(Error::invalid("id", problem).into());
        }
        Ok(Self(text))
    }
}

/// The query. Parameters that nobody knows are left alone.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let Query(params) =
            query.map_err(|rejection| Error::invalid("query", rejection.body_text()))?;
        Ok(Self(params))
    }
}

/// The `Idempotency-Key` header.
#[derive(Debug, Default)]
pub(super) struct IdempotencyKey(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let Some(value) = parts.headers.get("idempotency-key") else {
            return Ok(Self(None));
        };
        let text = value
            .to_str()
            .map_err(|_| Error::invalid("Idempotency-Key", "is not plain ASCII"))?;
        Ok(Self(Some(
            kernel::text::name("Idempotency-Key", text, LONGEST_REQUEST_ID).map_err(Error::from)?,
        )))
    }
}

impl IdempotencyKey {
    /// The request id: this header, or the `requestId` of the body; empty when neither is given.
    ///
    /// # Errors
    /// [`Error::Invalid`] when both are given and differ.
    pub(super) fn or(self, request_id: Option<String>) -> Result<String, Error> {
        match (self.0, request_id) {
            (Some(header), Some(body)) if header != body => Err(Error::invalid(
                "requestId",
                "differs from the Idempotency-Key header; give one of them",
            )),
            (Some(header), _) => Ok(header),
            (None, Some(body)) => Ok(kernel::text::name("requestId", &body, LONGEST_REQUEST_ID)?),
            (None, None) => Ok(String::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_comes_from_the_header_or_the_body() {
        let header = |text: Option<&str>| IdempotencyKey(text.map(str::to_owned));
        let body = |text: &str| Some(text.to_owned());
        assert_eq!(header(None).or(None).unwrap(), "");
        assert_eq!(header(Some("a")).or(None).unwrap(), "a");
        assert_eq!(header(None).or(body("b")).unwrap(), "b");
        assert_eq!(header(Some("a")).or(body("a")).unwrap(), "a");
        assert!(header(Some("a")).or(body("b")).is_err());
        assert!(header(None).or(body(&"x".repeat(129))).is_err());
    }
}
