//! The HTTPS client under the SDK: rustls on ring, trusting the five roots that AWS's endpoints chain to and no others.
//!
//! Parsing the system's 144 roots was half of a function's start-up CPU (docs/adr/0003). Other hosts get their own store.

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::config::ConfigError;

/// Amazon Root CA 1 to 4 and the Starfield root that older endpoints chain to, from <https://www.amazontrust.com/repository/>.
const AMAZON_ROOTS: &[u8] = include_bytes!("../roots.pem");

pub(crate) fn https_client() -> Result<SharedHttpClient, ConfigError> {
    let store = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
    let context = TlsContext::builder().with_trust_store(store).build();
    let context = context.map_err(|error| ConfigError::one(format!("bundled roots: {error}")))?;
    Ok(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https())
}
