//! Query parameters: those that are known, each once.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The parameters. `T` refuses unknown ones (`deny_unknown_fields`); a misspelt filter must not show everything.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri)
            .map_err(|_| Problem::malformed("the query has a parameter that is unknown, doubled or of another type"))?;
        Ok(Self(query.0))
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::Request;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        limit: Option<i64>,
        q: Option<String>,
    }

    async fn query(query: &str) -> Result<Wanted, &'static str> {
        let request = Request::builder().uri(format!("/x?{query}")).body(()).unwrap();
        let (mut parts, ()) = request.into_parts();
        Params::<Wanted>::from_request_parts(&mut parts, &()).await.map(|it| it.0).map_err(|problem| problem.code())
    }

    #[tokio::test]
    async fn only_what_is_known() {
        assert_eq!(query("").await, Ok(Wanted { limit: None, q: None }));
        assert_eq!(query("limit=5&q=a+b").await, Ok(Wanted { limit: Some(5), q: Some("a b".into()) }));
        for bad in ["limt=5", "limit=5&limit=6", "limit=x", "limit=", "limit=99999999999999999999", "limit=2.5"] {
            assert_eq!(query(bad).await, Err("malformed_request"), "{bad}");
        }
    }
}
