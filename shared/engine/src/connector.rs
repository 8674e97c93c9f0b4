//! The HTTP client that an SDK client is built with: a request becomes a [`Call`], a [`Reply`] a response.
//!
//! It owns the translation and nothing else. It must never open a socket, and it ignores the SDK's connect and
//! read time-outs: nothing here can hang except a long poll, and a layer that injects time-outs says so itself.

use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use crate::call::{Call, ConnectorFailure, Layer, Next};
use crate::engine::Engine;
use crate::wire::Reply;

#[derive(Clone)]
struct Connector {
    engine: Engine,
    layers: Arc<[Arc<dyn Layer>]>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}

impl HttpClient for Connector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move {
            let call = read_request(&request)?;
            let next = Next::new(&connector.layers, &connector.engine);
            match next.run(call).await {
                Ok(reply) => write_response(reply),
                Err(failure) => Err(connector_error(failure)),
            }
        })
    }
}

fn read_request(request: &HttpRequest) -> Result<Call, ConnectorError> {
    let body = request.body().bytes().ok_or_else(|| ConnectorError::user("a streamed body cannot be read".into()))?;
    let body = Bytes::copy_from_slice(body);
    Ok(match request.headers().get("x-amz-target") {
        Some(target) => Call::new(target, body),
        None => Call::of_object(request.method(), request.uri(), request.headers().get("range"), body),
    })
}

fn write_response(reply: Reply) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(reply.status).map_err(|error| ConnectorError::other(error.into(), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(reply.body));
    for (name, value) in reply.headers {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

fn connector_error(failure: ConnectorFailure) -> ConnectorError {
    match failure {
        ConnectorFailure::Timeout(_) => ConnectorError::timeout(failure.into()),
        ConnectorFailure::Connection(_) => ConnectorError::io(failure.into()),
        ConnectorFailure::NotSent(_) => ConnectorError::user(failure.into()),
    }
}

pub(crate) fn http_client(engine: Engine, layers: Vec<Arc<dyn Layer>>) -> SharedHttpClient {
    SharedHttpClient::new(Connector { engine, layers: layers.into() })
}
