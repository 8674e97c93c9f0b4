//! The HTTPS client under the SDK: rustls on ring, trusting the five roots that AWS's endpoints chain to and no others.
//!
//! Parsing the system's 144 roots was half of a function's start-up CPU (docs/adr/0003). Other hosts get their own store:
//! whoever calls one brings its roots, and builds the connector when it is first needed.

use std::time::Duration;

use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};

use crate::config::ConfigError;

/// Amazon Root CA 1 to 4 and the Starfield root that older endpoints chain to, from <https://www.amazontrust.com/repository/>.
pub(crate) const AMAZON_ROOTS: &[u8] = include_bytes!("../roots.pem");

/// How long a connection to another host than AWS's may take to stand: a continent away is a quarter of a second.
const CONNECT: Duration = Duration::from_secs(3);
/// How long such a connection is kept without use. A sandbox is frozen between calls, and a far end that gave up meanwhile
/// makes the next call fail.
const IDLE: Duration = Duration::from_secs(45);

fn trusting(roots: &[u8]) -> Result<TlsContext, ConfigError> {
    let store = TrustStore::empty().with_pem_certificate(roots);
    let context = TlsContext::builder().with_trust_store(store).build();
    context.map_err(|error| ConfigError::one(format!("bundled roots: {error}")))
}

pub(crate) fn https_client() -> Result<SharedHttpClient, ConfigError> {
    let context = trusting(AMAZON_ROOTS)?;
    Ok(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https())
}

/// A connector for hosts that are not AWS's, trusting these roots (PEM) and no others. It takes `http://` addresses as well;
/// whoever sends a secret looks at the address first.
pub fn connector(roots: &[u8]) -> Result<SharedHttpConnector, ConfigError> {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT).build();
    let builder = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(trusting(roots)?);
    let connector = builder.connector_settings(settings).pool_idle_timeout(IDLE).build();
    Ok(SharedHttpConnector::new(connector))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    /// SHA-256 of the certificates that Amazon Trust Services publishes; the public endpoints of every AWS service chain to
    /// one of them.
    const PUBLISHED: [&str; 5] = [
        "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
        "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
        "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
        "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
        "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
    ];

    #[test]
    fn the_bundled_roots_are_the_published_ones_and_no_others() {
        let text = std::str::from_utf8(super::AMAZON_ROOTS).unwrap();
        let bodies = text.split("-----BEGIN CERTIFICATE-----").skip(1);
        let prints: Vec<String> = bodies
            .map(|part| part.split("-----END").next().unwrap_or_default().split_whitespace().collect::<String>())
            .map(|body| Sha256::digest(STANDARD.decode(body).unwrap()).iter().map(|b| format!("{b:02x}")).collect())
            .collect();
        assert_eq!(prints, PUBLISHED);
        assert!(super::https_client().is_ok());
    }
}
