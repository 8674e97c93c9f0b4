//! Opaque, signed page cursors. A cursor is bound to the list and the filters it came from; an altered one, or one from
//! another list, is refused. The signature keeps clients from reading keys of other people by writing their own cursor.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;

const MAC_BYTES: usize = 16;

/// The key that signs cursors and guest tokens; 32 bytes or more. It has no `Debug` and no `Display`.
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// From secret bytes.
    #[must_use]
    pub fn new(secret: Vec<u8>) -> Self {
        Self(secret)
    }

    fn mac(&self, scope: &str, payload: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(&u64::try_from(scope.len()).ok()?.to_be_bytes());
        mac.update(scope.as_bytes());
        mac.update(payload);
        Some(mac)
    }

    /// A token for `payload` in `scope`: the same input gives the same token.
    #[must_use]
    pub fn sign(&self, scope: &str, payload: &[u8]) -> String {
        let tag = self.mac(scope, payload).map(|mac| mac.finalize().into_bytes());
        let mut bytes = tag.map(|tag| tag[..MAC_BYTES].to_vec()).unwrap_or_default();
        bytes.extend_from_slice(payload);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The payload of a token that this key signed for `scope`; `None` for anything else. Takes constant time.
    #[must_use]
    pub fn open(&self, scope: &str, token: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (tag, payload) = bytes.split_at_checked(MAC_BYTES)?;
        self.mac(scope, payload)?.verify_truncated_left(tag).ok()?;
        Some(payload.to_vec())
    }

    /// A secret of its own for another use: the same scope gives the same one, and it tells nothing of this key.
    #[must_use]
    pub fn derived(&self, scope: &str) -> Vec<u8> {
        self.mac(scope, b"derived").map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default()
    }

    /// A cursor that carries `position`.
    #[must_use]
    pub fn cursor<T: Serialize>(&self, scope: &str, position: &T) -> String {
        self.sign(scope, &serde_json::to_vec(position).unwrap_or_default())
    }

    /// The position in a cursor of this scope; `None` when it was altered or is of another list.
    #[must_use]
    pub fn position<T: DeserializeOwned>(&self, scope: &str, cursor: &str) -> Option<T> {
        serde_json::from_slice(&self.open(scope, cursor)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_altered_byte_is_refused(payload in prop::collection::vec(any::<u8>(), 0..60), at in 0_usize..200, bit in 0_u8..8) {
            let key = SigningKey::new(vec![7; 32]);
            let token = key.sign("list", &payload);
            prop_assert_eq!(key.open("list", &token), Some(payload.clone()));
            prop_assert_eq!(key.open("other", &token), None);
            let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            let index = at % bytes.len();
            bytes[index] ^= 1 << bit;
            prop_assert_eq!(key.open("list", &URL_SAFE_NO_PAD.encode(bytes)), None);
        }
    }

    #[test]
    fn rubbish_is_refused() {
        let key = SigningKey::new(vec![7; 32]);
        for bad in ["", "a", "!!!", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(key.open("list", bad), None);
        }
    }
}
