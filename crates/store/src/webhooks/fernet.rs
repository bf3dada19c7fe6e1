//! Webhooks' secrets as MLflow keeps them: Fernet tokens, so that either server reads what the other wrote.
//!
//! A token is base64 of a version, a time, an initialisation vector, the text by AES-128 in CBC mode, and an HMAC-SHA256 of all
//! that (<https://github.com/fernet/spec>). The HMAC is checked first, so that nothing is learnt from what follows.

use crate::error::Error;
use aes::Aes128;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// As Python reads it, with or without the padding at its end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const VERSION: u8 = 0x80;
const BLOCK: usize = 16;
/// Version, time and initialisation vector.
const HEAD: usize = 1 + 8 + BLOCK;
const TAG: usize = 32;

/// The key of `MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY`.
#[derive(Clone)]
pub struct SecretKey {
    signing: hmac::Key,
    encryption: [u8; BLOCK],
}

/// Why a secret cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the webhook's secret was encrypted with another key than this server's MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"
)]
pub struct OtherKey;

impl SecretKey {
    /// Reads a key: 32 bytes in URL-safe base64, as `Fernet.generate_key` makes it.
    ///
    /// # Errors
    /// A sentence that does not repeat it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim().replace('+', "-").replace('/', "_");
        let bytes = BASE64.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let Some(bytes) = bytes else {
            return Err(
                "it must be 32 bytes in URL-safe base64, as `openssl rand -base64 32 | tr +/ -_` makes them"
                    .into(),
            );
        };
        let (signing, rest) = bytes.split_at(BLOCK);
        let mut encryption = [0; BLOCK];
        encryption.copy_from_slice(rest);
        Ok(Self { signing: hmac::Key::new(hmac::HMAC_SHA256, signing), encryption })
    }

    /// Encrypts a secret for the database.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn seal(&self, secret: &str) -> crate::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
        let mut vector = [0; BLOCK];
        let filled = SystemRandom::new().fill(&mut vector);
        filled.map_err(|_| Error::Unavailable("the system gives no random bytes".into()))?;
        Ok(self.seal_with(secret, now, vector))
    }

    fn seal_with(&self, secret: &str, now: u64, vector: [u8; BLOCK]) -> String {
        let mut token = vec![VERSION];
        token.extend(now.to_be_bytes());
        token.extend(vector);
        let cipher = cbc::Encryptor::<Aes128>::new(&self.encryption.into(), &vector.into());
        token.extend(cipher.encrypt_padded_vec::<Pkcs7>(secret.as_bytes()));
        let tag = hmac::sign(&self.signing, &token);
        token.extend(tag.as_ref());
        BASE64.encode(token)
    }

    /// Decrypts a secret of the database.
    ///
    /// # Errors
    /// [`OtherKey`], also for what is no secret at all.
    pub fn open(&self, sealed: &str) -> Result<String, OtherKey> {
        let token = BASE64.decode(sealed.trim()).map_err(|_| OtherKey)?;
        if token.len() < HEAD + BLOCK + TAG || token[0] != VERSION {
            return Err(OtherKey);
        }
        let (signed, tag) = token.split_at(token.len() - TAG);
        hmac::verify(&self.signing, signed, tag).map_err(|_| OtherKey)?;
        let vector = <[u8; BLOCK]>::try_from(&signed[HEAD - BLOCK..HEAD]).map_err(|_| OtherKey)?;
        let cipher = cbc::Decryptor::<Aes128>::new(&self.encryption.into(), &vector.into());
        let text = cipher.decrypt_padded_vec::<Pkcs7>(&signed[HEAD..]).map_err(|_| OtherKey)?;
        String::from_utf8(text).map_err(|_| OtherKey)
    }
}

/// Without the key.
impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the specification (`generate.json`).
    const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    const TOKEN: &str = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

    #[test]
    fn the_specifications_own_token() {
        let key = SecretKey::parse(KEY).unwrap();
        let vector: [u8; 16] = std::array::from_fn(|i| i as u8);
        assert_eq!(key.seal_with("hello", 499_162_800, vector), TOKEN);
        assert_eq!(key.open(TOKEN).as_deref(), Ok("hello"));
    }

    #[test]
    fn texts_of_every_length_come_back() {
        let key = SecretKey::parse(KEY).unwrap();
        for secret in ["", "a", "exactly 16 bytes", "a secret that takes three blocks: ü", &"x".repeat(600)]
        {
            let sealed = key.seal(secret).unwrap();
            assert_eq!(key.open(&sealed).as_deref(), Ok(secret));
            assert_ne!(sealed, key.seal(secret).unwrap(), "two tokens of one secret differ");
        }
    }

    #[test]
    fn a_token_that_was_changed_is_refused() {
        let key = SecretKey::parse(KEY).unwrap();
        for place in 0..TOKEN.len() - 2 {
            let mut changed = TOKEN.as_bytes().to_vec();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(key.open(std::str::from_utf8(&changed).unwrap()), Err(OtherKey), "{place}");
        }
        for other in ["", "plain", "gAAAAA==", &TOKEN[..60]] {
            assert_eq!(key.open(other), Err(OtherKey), "{other}");
        }
        let other = SecretKey::parse("Jw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=").unwrap();
        assert_eq!(other.open(TOKEN), Err(OtherKey));
    }

    #[test]
    fn keys_are_32_bytes_and_never_shown() {
        let plain = KEY.replace('-', "+").replace('_', "/");
        for good in [KEY, KEY.trim_end_matches('='), &format!(" {KEY}\n"), &plain] {
            assert_eq!(SecretKey::parse(good).unwrap().open(TOKEN).as_deref(), Ok("hello"), "{good}");
        }
        for bad in ["", "short", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4AAA=", "!!!"] {
            let error = SecretKey::parse(bad).unwrap_err();
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
        assert_eq!(format!("{:?}", SecretKey::parse(KEY).unwrap()), "SecretKey(..)");
    }
}
