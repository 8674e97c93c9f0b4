use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use crate::support::{kms, memory, secrets};

/// The RSA key inside a SubjectPublicKeyInfo, which is what ring wants: a 24-byte header stands before it for 2048 bits.
fn rsa_key(spki: &[u8]) -> &[u8] {
    &spki[24..]
}

#[tokio::test]
async fn a_signature_verifies_whether_the_message_or_its_digest_was_signed() {
    let (engine, _) = memory();
    let client = kms(&engine, vec![]);
    let message = b"header.payload";
    let digest = ring::digest::digest(&ring::digest::SHA256, message);
    let sign = |bytes: Vec<u8>, kind| {
        client
            .sign()
            .key_id("alias/tokens")
            .message(Blob::new(bytes))
            .message_type(kind)
            .signing_algorithm(SigningAlgorithmSpec::RsassaPkcs1V15Sha256)
            .send()
    };
    let raw = sign(message.to_vec(), MessageType::Raw).await.unwrap();
    let digested = sign(digest.as_ref().to_vec(), MessageType::Digest).await.unwrap();
    assert_eq!(raw.signature(), digested.signature());
    let public = client.get_public_key().key_id("alias/tokens").send().await.unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, rsa_key(public.public_key().unwrap().as_ref()));
    key.verify(message, raw.signature().unwrap().as_ref()).unwrap();
    // The keys of memory are the process's; another alias is another key.
    let (second, _) = memory();
    let same = kms(&second, vec![]).get_public_key().key_id("alias/tokens").send().await.unwrap();
    assert_eq!(same.public_key(), public.public_key());
    assert!(sign(vec![1], MessageType::Digest).await.is_err());
    assert!(client.get_public_key().key_id("alias/../x").send().await.is_err());
}

#[tokio::test]
async fn a_secret_is_made_once() {
    let (engine, _) = memory();
    let client = secrets(&engine, vec![]);
    let get = |name: &'static str| client.get_secret_value().secret_id(name).send();
    let first = get("oxcart/local/cursor").await.unwrap();
    let text = first.secret_string().unwrap();
    assert_eq!(text.len(), 64);
    assert_eq!(get("oxcart/local/cursor").await.unwrap().secret_string(), Some(text));
    assert_ne!(get("other").await.unwrap().secret_string(), Some(text));
    assert!(get("..").await.is_err());
}
