//! Passwords: which are refused, and how one is stored.
//!
//! argon2id with OWASP's first choice of parameters: 19 MiB, 2 passes, 1 lane. Measured on a 2-core Xeon at full speed
//! (median of 31): 17 ms; 12 MiB and 3 passes took 15 ms, 46 MiB and 1 pass 44 ms, 64 MiB and 2 passes 107 ms. A 512 MB
//! function has 0.29 of a core, so a sign-in costs it about 60 ms and 4 % of its memory, while 64 MiB would take 0.4 s.
//! One lane, because a function has no second core. Hashing runs on the spot: a sandbox serves one request at a time.
//! A password must never be stored, logged, or put into an error.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error, PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use kernel::Email;

/// Memory in KiB, passes, lanes.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// The hash of no password, with the same cost: checked when there is no account, so that both cases take as long.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$b3hjYXJ0IG5vIG9uZSAwMA$7Exl3ZuuZoBjPgcmosMpTBS0uvN1m5t9BpTS7r2qINc";

/// Passwords of at least ten characters that stand in every list an attacker tries first. Shorter ones cannot be chosen.
const OBVIOUS: &[&str] = &[
    "0123456789",
    "1234567890",
    "0987654321",
    "9876543210",
    "1234567891",
    "12345678910",
    "123456789a",
    "123456789q",
    "1234512345",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "qwerty1234",
    "qwerty12345",
    "qwerty123456",
    "asdfghjkl;",
    "asdfghjkl1",
    "abcdefghij",
    "abc1234567",
    "abcd123456",
    "a123456789",
    "password12",
    "password123",
    "password1234",
    "passw0rd123",
    "p@ssw0rd123",
    "passwordpassword",
    "mypassword",
    "mypassword123",
    "changeme123",
    "letmein123",
    "welcome123",
    "iloveyou12",
    "iloveyou123",
    "football123",
    "baseball123",
    "sunshine123",
    "princess123",
    "administrator",
    "adminadmin",
    "admin12345",
    "admin123456",
    "correcthorsebatterystaple",
    "unbelievable",
    "basketball",
    "liverpool123",
    "manchester",
];

/// Why a password is refused for this person; `None` when it is good. Its length was checked before, by the body's schema.
#[must_use]
pub fn refusal(password: &str, email: &Email, name: &str) -> Option<&'static str> {
    let folded = password.trim().to_lowercase();
    let local = email.as_str().split('@').next().unwrap_or_default();
    let squeezed = |text: &str| text.to_lowercase().split_whitespace().collect::<String>();
    if folded == email.as_str() || folded == local {
        return Some("must not be the e-mail address");
    }
    if !name.is_empty() && squeezed(password) == squeezed(name) {
        return Some("must not be the name");
    }
    let first = folded.chars().next();
    if folded.chars().all(|c| Some(c) == first) || OBVIOUS.contains(&folded.as_str()) {
        return Some("is one that everybody tries first");
    }
    None
}

fn argon2() -> Result<Argon2<'static>, Error> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(|_| Error::ParamsInvalid)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The PHC string of a password under 16 random bytes of salt.
pub fn hash(password: &str, salt: [u8; 16]) -> Result<String, Error> {
    let hash = argon2()?.hash_password_with_salt(password.as_bytes(), &salt)?;
    Ok(hash.to_string())
}

/// Whether the password is the hashed one. Without a hash it takes as long, and is not.
#[must_use]
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    // Every stored hash is checked at the cost it was made with, so raising COST later breaks nobody's sign-in.
    let stored = PasswordHash::new(hash.unwrap_or(NOBODY));
    let matches = stored.is_ok_and(|stored| Argon2::default().verify_password(password.as_bytes(), &stored).is_ok());
    matches && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_a_phc_string_that_only_its_password_opens() {
        let stored = hash("correct horse", [7; 16]).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify("correct horse", Some(&stored)));
        assert!(!verify("Correct horse", Some(&stored)));
        assert!(!verify("", Some(&stored)));
        assert_ne!(stored, hash("correct horse", [8; 16]).unwrap(), "the salt matters");
    }

    #[test]
    fn no_account_is_checked_at_the_same_cost_and_never_matches() {
        let real = hash("anything at all", [1; 16]).unwrap();
        let real = PasswordHash::new(&real).unwrap();
        let nobody = PasswordHash::new(NOBODY).unwrap();
        assert_eq!((real.algorithm, real.version, &real.params), (nobody.algorithm, nobody.version, &nobody.params));
        assert_eq!(real.hash.map(|hash| hash.len()), nobody.hash.map(|hash| hash.len()));
        assert!(!verify("nobody signs in with this", None), "the very password of the dummy");
        assert!(!verify("something", Some("not a hash")));
    }

    #[test]
    fn obvious_passwords_are_refused() {
        let email = Email::parse("ada.lovelace@example.com").unwrap();
        let bad = [
            "1234567890",
            "QwertyUIOP",
            "aaaaaaaaaaaa",
            "ada.lovelace@example.com",
            "Ada.Lovelace",
            "ada lovelace",
            "AdaLovelace",
            "password123",
            "          ",
        ];
        for password in bad {
            assert!(refusal(password, &email, "Ada Lovelace").is_some(), "{password}");
        }
        for password in ["plum-tractor-9", "ada lovelace likes plums", "größere Straße"] {
            assert_eq!(refusal(password, &email, "Ada Lovelace"), None, "{password}");
        }
    }

    #[test]
    fn the_list_holds_only_passwords_that_could_be_chosen() {
        for password in OBVIOUS {
            assert!(password.len() >= kernel::limits::PASSWORD_MIN, "{password} is shorter than allowed anyway");
            assert_eq!(*password, password.to_lowercase());
        }
    }
}
