//! What names and values may be in the model registry.

use super::{at_most, entity_name};
use crate::error::{Result, invalid};
use crate::experiments::Tag;

const MAX_TAG_KEY_LENGTH: usize = 250;
const MAX_TAG_VALUE_LENGTH: usize = 100_000;
const MAX_ALIAS_LENGTH: usize = 255;
/// The tag that holds the text of a prompt's version.
const PROMPT_TEXT: &str = "mlflow.prompt.text";

/// Checks a tag of a registered model. Values are never cut.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn registered_model_tag(tag: &Tag) -> Result<()> {
    registry_tag_key(&tag.key)?;
    at_most("key", MAX_TAG_KEY_LENGTH, &tag.key)?;
    at_most("value", MAX_TAG_VALUE_LENGTH, &tag.value)
}

/// Checks a tag of a model version. Values are never cut.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn model_version_tag(tag: &Tag) -> Result<()> {
    registry_tag_key(&tag.key)?;
    at_most("key", MAX_TAG_KEY_LENGTH, &tag.key)?;
    if tag.key == PROMPT_TEXT && tag.value.chars().count() > MAX_TAG_VALUE_LENGTH {
        return Err(invalid(format!("Prompt text exceeds max length of {MAX_TAG_VALUE_LENGTH} characters.")));
    }
    at_most("value", MAX_TAG_VALUE_LENGTH, &tag.value)
}

/// Checks the key of a tag that goes: its length does not matter.
///
/// # Errors
/// `INVALID_PARAMETER_VALUE`.
pub fn registry_tag_key(key: &str) -> Result<()> {
    entity_name(key, "key")
}

/// The name of an alias, in a shape that aliases can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias(String);

impl Alias {
    /// Reads a name that an alias may have.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(invalid("Registered model alias name cannot be empty."));
        }
        if !without_line_end(text).chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
            return Err(invalid(format!(
                "Invalid alias name: '{text}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
            )));
        }
        at_most("Registered model alias name", MAX_ALIAS_LENGTH, text)?;
        Ok(Self(text.to_owned()))
    }

    /// Reads a name that an alias may be given: those that clients understand in a way of their own are left out.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE`.
    pub fn parse_new(text: &str) -> Result<Self> {
        let alias = Self::parse(text)?;
        if alias.is_latest() {
            return Err(invalid("'latest' alias name (case insensitive) is reserved."));
        }
        let number = without_line_end(text).strip_prefix(['v', 'V']);
        if number.is_some_and(|n| !n.is_empty() && n.chars().all(char::is_numeric)) {
            return Err(invalid(format!("Version alias name '{text}' is reserved.")));
        }
        Ok(alias)
    }

    /// Whether it stands for the newest version, whichever that is.
    pub fn is_latest(&self) -> bool {
        self.0.to_lowercase() == "latest"
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Python's `$` lets one line break stand at the end.
fn without_line_end(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().message
    }

    #[test]
    fn aliases_are_words() {
        for good in ["champion", "a-b_c", "Ünï", "1", "a\n"] {
            assert_eq!(Alias::parse_new(good).unwrap().as_str(), good);
        }
        assert_eq!(message(Alias::parse("")), "Registered model alias name cannot be empty.");
        assert_eq!(
            message(Alias::parse("a b")),
            "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        );
        assert_eq!(
            message(Alias::parse(&"a".repeat(256))),
            "'Registered model alias name' exceeds the maximum length of 255 characters"
        );
    }

    #[test]
    fn what_clients_resolve_themselves_is_no_new_alias() {
        for reserved in ["latest", "LATEST"] {
            assert!(Alias::parse(reserved).unwrap().is_latest());
            assert_eq!(
                message(Alias::parse_new(reserved)),
                "'latest' alias name (case insensitive) is reserved."
            );
        }
        assert_eq!(message(Alias::parse_new("V12")), "Version alias name 'V12' is reserved.");
        assert!(
            Alias::parse("v12").is_ok() && Alias::parse_new("v").is_ok() && Alias::parse_new("v1a").is_ok()
        );
    }

    #[test]
    fn values_of_tags_may_be_long_texts() {
        let tag = |key: &str, length| Tag { key: key.into(), value: "é".repeat(length) };
        assert_eq!(registered_model_tag(&tag("k", 100_000)), Ok(()));
        assert_eq!(
            message(registered_model_tag(&tag("k", 100_001))),
            "'value' exceeds the maximum length of 100000 characters"
        );
        assert_eq!(
            message(model_version_tag(&tag(PROMPT_TEXT, 100_001))),
            "Prompt text exceeds max length of 100000 characters."
        );
        assert_eq!(
            message(model_version_tag(&tag(&"k".repeat(251), 0))),
            "'key' exceeds the maximum length of 250 characters"
        );
    }
}
