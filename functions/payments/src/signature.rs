//! Signatures of webhooks, in the form that Stripe signs: `t=<seconds>,v1=<hex of HMAC-SHA256 over "t.body">`.
//!
//! The built-in provider signs the same way with a secret of its own. It must never tell more than that a signature is wrong.

use hmac::{Hmac, KeyInit, Mac};
use kernel::Timestamp;
use sha2::Sha256;

use crate::provider::EventError;

/// How far a signature's time may be from ours, in seconds; Stripe's own libraries allow the same.
pub const TOLERANCE: u64 = 300;
/// How many signatures of one header are looked at. Stripe sends one for each secret that is valid: two, while one is rolled.
const MOST: usize = 8;
/// Bytes of a signature.
const MAC_BYTES: usize = 32;

fn mac(secret: &[u8], seconds: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(seconds.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; MAC_BYTES]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * MAC_BYTES {
        return None;
    }
    let mut bytes = [0; MAC_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: u8| char::from(at).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(pair[0])? * 16 + digit(pair[1])?;
    }
    Some(bytes)
}

/// The text of the header for a body that is sent at a moment. The secret is used as it stands, `whsec_` included.
#[must_use]
pub fn sign(secret: impl AsRef<[u8]>, at: Timestamp, body: &[u8]) -> String {
    let seconds = at.seconds().to_string();
    let tag = mac(secret.as_ref(), &seconds, body).map(|mac| hex(&mac.finalize().into_bytes())).unwrap_or_default();
    format!("t={seconds},v1={tag}")
}

/// Checks a header against every secret that is valid now. Comparing takes constant time; that a signature is old is told
/// only to who holds a secret. A time that lies ahead of ours by more than the tolerance is not a signature.
pub fn verify(secrets: &[impl AsRef<[u8]>], header: &str, body: &[u8], now: Timestamp) -> Result<(), EventError> {
    let mut seconds = None;
    let mut tags = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", text)) if seconds.is_none() => seconds = Some(text),
            // Two times: which one was signed?
            Some(("t", _)) => return Err(EventError::Forged),
            Some(("v1", text)) if tags.len() < MOST => tags.extend(unhex(text)),
            _ => {}
        }
    }
    let seconds = seconds.filter(|text| text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit()));
    let seconds = seconds.ok_or(EventError::Forged)?;
    let signed: i64 = seconds.parse().map_err(|_| EventError::Forged)?;
    let genuine = secrets.iter().any(|secret| {
        let ours = mac(secret.as_ref(), seconds, body);
        ours.is_some_and(|ours| tags.iter().any(|tag| ours.clone().verify_slice(tag).is_ok()))
    });
    let age = now.seconds().saturating_sub(signed);
    let tolerance = i64::try_from(TOLERANCE).unwrap_or(i64::MAX);
    match genuine {
        true if age > tolerance => Err(EventError::Old(TOLERANCE)),
        true if age >= -tolerance => Ok(()),
        _ => Err(EventError::Forged),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "whsec_5c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f";
    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(NOW.millis() + seconds * 1000)
    }

    #[test]
    fn it_is_stripes_form() {
        // Computed with Python: hmac.new(b"whsec_test_secret", b'1492774577.{"id":"evt_1"}', "sha256").hexdigest()
        let header = sign("whsec_test_secret", Timestamp::from_millis(1_492_774_577_000), br#"{"id":"evt_1"}"#);
        assert_eq!(header, "t=1492774577,v1=799c4ba7bb339f3c8601adfd112f0e477c930a268be1243d341abb8286501c2f");
    }

    #[test]
    fn times_are_judged_in_both_directions() {
        for (seconds, said) in [
            (0, Ok(())),
            (-300, Ok(())),
            (300, Ok(())),
            (-301, Err(EventError::Old(300))),
            (301, Err(EventError::Forged)),
            (-1_000_000, Err(EventError::Old(300))),
        ] {
            assert_eq!(verify(&[SECRET], &sign(SECRET, at(seconds), b"{}"), b"{}", NOW), said, "{seconds}");
        }
        // Who holds no secret is not told that it is old.
        let old = sign("whsec_another", at(-1000), b"{}");
        assert_eq!(verify(&[SECRET], &old, b"{}", NOW), Err(EventError::Forged));
    }

    #[test]
    fn while_a_secret_is_rolled_either_is_good() {
        let (old, new) = ("whsec_old_old_old_old", "whsec_new_new_new_new");
        let (by_old, by_new) = (sign(old, NOW, b"{}"), sign(new, NOW, b"{}"));
        let tag = |header: &str| header.split_once(",v1=").unwrap().1.to_owned();
        // Stripe signs with both while both are valid; it also sends `v0` in tests, which says nothing.
        let both =
            format!("{by_old},v1={},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39", tag(&by_new));
        for header in [&by_old, &by_new, &both] {
            assert_eq!(verify(&[old, new], header, b"{}", NOW), Ok(()));
        }
        assert_eq!(verify(&[new], &both, b"{}", NOW), Ok(()));
        assert_eq!(verify(&[old], &both, b"{}", NOW), Ok(()));
        assert_eq!(verify(&[new], &by_old, b"{}", NOW), Err(EventError::Forged));
        let none: [&str; 0] = [];
        assert_eq!(verify(&none, &by_old, b"{}", NOW), Err(EventError::Forged));
    }

    #[test]
    fn what_is_not_a_signature_is_refused() {
        let good = sign(SECRET, NOW, b"{}");
        let tag = good.split_once(",v1=").unwrap().1;
        let seconds = NOW.seconds();
        for header in [
            String::new(),
            "t=".into(),
            format!("t={seconds}"),
            format!("v1={tag}"),
            format!("t={seconds},v1="),
            format!("t={seconds},v1={}", &tag[1..]),
            format!("t={seconds},v1={tag}0"),
            format!("t={seconds},v0={tag}"),
            format!("t={seconds},t={seconds},v1={tag}"),
            format!("t=+{seconds},v1={tag}"),
            format!("t={},v1={tag}", seconds + 1),
            format!("t=99999999999999999999,v1={tag}"),
            format!("t=-1,v1={tag}"),
            format!("t={seconds},{}v1={tag}", format!("v1={},", "0".repeat(64)).repeat(MOST)),
        ] {
            assert_eq!(verify(&[SECRET], &header, b"{}", NOW), Err(EventError::Forged), "{header}");
        }
        assert_eq!(verify(&[SECRET], &format!(" t={seconds}, v1={} ", tag.to_uppercase()), b"{}", NOW), Ok(()));
    }

    proptest! {
        #[test]
        fn whatever_was_signed_is_genuine_and_nothing_else(
            body in proptest::collection::vec(any::<u8>(), 0..200),
            other in proptest::collection::vec(any::<u8>(), 0..200),
            secret in "[ -~]{1,80}",
            another in "[ -~]{1,80}",
            seconds in -300_i64..=300,
        ) {
            let header = sign(&secret, at(seconds), &body);
            prop_assert_eq!(verify(&[another.as_str(), secret.as_str()], &header, &body, NOW), Ok(()));
            if other != body {
                prop_assert_eq!(verify(&[secret.as_str()], &header, &other, NOW), Err(EventError::Forged));
            }
            if another != secret {
                prop_assert_eq!(verify(&[another.as_str()], &header, &body, NOW), Err(EventError::Forged));
            }
        }

        #[test]
        fn no_header_makes_it_stumble(header in "\\PC{0,200}", body in proptest::collection::vec(any::<u8>(), 0..50)) {
            prop_assert_eq!(verify(&[SECRET], &header, &body, NOW), Err(EventError::Forged));
        }
    }
}
