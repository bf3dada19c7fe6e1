//! The events that webhooks tell of: which there are, what each carries, and the message that a receiver gets.
//!
//! The registry says what it did ([`Change`]) and to whom ([`Subject`]); which event of MLflow's that is, and what it carries, is
//! decided here. Mirrors `mlflow.webhooks.types` and the calls of `deliver_webhook` in MLflow's handlers.

use crate::error::{Result, invalid};
use crate::experiments::Tag;
use crate::iso_time::iso_time;
use crate::registered_models::IS_PROMPT;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The tag of a prompt's version that holds its text.
pub const PROMPT_TEXT_TAG: &str = "mlflow.prompt.text";
/// The tag that says of what kind a prompt's text is.
pub const PROMPT_TYPE_TAG: &str = "_mlflow_prompt_type";

/// MLflow's `WebhookEntity` enum, but for `ENTITY_UNSPECIFIED`, which is read as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the wire's own")]
pub enum EventEntity {
    RegisteredModel,
    ModelVersion,
    ModelVersionTag,
    ModelVersionAlias,
    Prompt,
    PromptVersion,
    PromptTag,
    PromptVersionTag,
    PromptAlias,
}

/// MLflow's `WebhookAction` enum, but for `ACTION_UNSPECIFIED`, which is read as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the wire's own")]
pub enum EventAction {
    Created,
    Updated,
    Deleted,
    Set,
}

/// Entities in the order of their numbers, from 1 on, with the names they have in the database and in messages.
const ENTITIES: [(EventEntity, &str); 9] = [
    (EventEntity::RegisteredModel, "registered_model"),
    (EventEntity::ModelVersion, "model_version"),
    (EventEntity::ModelVersionTag, "model_version_tag"),
    (EventEntity::ModelVersionAlias, "model_version_alias"),
    (EventEntity::Prompt, "prompt"),
    (EventEntity::PromptVersion, "prompt_version"),
    (EventEntity::PromptTag, "prompt_tag"),
    (EventEntity::PromptVersionTag, "prompt_version_tag"),
    (EventEntity::PromptAlias, "prompt_alias"),
];

/// Actions in the order of their numbers, from 1 on.
const ACTIONS: [(EventAction, &str); 4] = [
    (EventAction::Created, "created"),
    (EventAction::Updated, "updated"),
    (EventAction::Deleted, "deleted"),
    (EventAction::Set, "set"),
];

/// Finds what a request names, in capitals or by number; `None` for the enum's 0, which stands for nothing.
fn named<T: Copy>(known: &[(T, &'static str)], zero: &str, value: &Value) -> Option<Option<T>> {
    let text = value.as_str();
    let number = value.as_i64().or_else(|| text?.parse().ok());
    if text == Some(zero) || number == Some(0) {
        return Some(None);
    }
    let by_name = known.iter().find(|(_, name)| text.is_some_and(|text| text == name.to_ascii_uppercase()));
    let by_number = || known.get(usize::try_from(number? - 1).ok()?);
    by_name.or_else(by_number).map(|(one, _)| Some(*one))
}

/// `deserialize_with` for an entity that may be absent.
pub(crate) fn opt_entity<'de, D: serde::Deserializer<'de>>(
    d: D,
) -> std::result::Result<Option<EventEntity>, D::Error> {
    let value = Value::deserialize(d)?;
    if value.is_null() {
        return Ok(None);
    }
    let unknown = || serde::de::Error::custom(format!("{value} is no entity of events"));
    named(&ENTITIES, "ENTITY_UNSPECIFIED", &value).ok_or_else(unknown)
}

/// `deserialize_with` for an action that may be absent.
pub(crate) fn opt_action<'de, D: serde::Deserializer<'de>>(
    d: D,
) -> std::result::Result<Option<EventAction>, D::Error> {
    let value = Value::deserialize(d)?;
    if value.is_null() {
        return Ok(None);
    }
    let unknown = || serde::de::Error::custom(format!("{value} is no action of events"));
    named(&ACTIONS, "ACTION_UNSPECIFIED", &value).ok_or_else(unknown)
}

impl EventEntity {
    /// The name, as in the database and in messages.
    pub fn name(self) -> &'static str {
        ENTITIES[self as usize].1
    }

    /// What can happen to it, by name (`VALID_ENTITY_ACTIONS`).
    fn actions(self) -> &'static [EventAction] {
        use EventAction::{Created, Deleted, Set};
        match self {
            Self::RegisteredModel | Self::ModelVersion | Self::Prompt | Self::PromptVersion => &[Created],
            Self::ModelVersionAlias | Self::PromptAlias => &[Created, Deleted],
            Self::ModelVersionTag | Self::PromptTag | Self::PromptVersionTag => &[Deleted, Set],
        }
    }
}

impl EventAction {
    /// The name, as in the database and in messages.
    pub fn name(self) -> &'static str {
        ACTIONS[self as usize].1
    }
}

/// What a webhook may be told of: MLflow's `WebhookEvent`, whose two halves go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookEvent {
    entity: EventEntity,
    action: EventAction,
}

impl WebhookEvent {
    /// Puts the halves together.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE` if that cannot happen.
    pub fn new(entity: EventEntity, action: EventAction) -> Result<Self> {
        if entity.actions().contains(&action) {
            return Ok(Self { entity, action });
        }
        let valid: Vec<_> = entity.actions().iter().map(|action| format!("'{}'", action.name())).collect();
        Err(invalid(format!(
            "Invalid action '{}' for entity '{}'. Valid actions are: [{}]",
            action.name(),
            entity.name(),
            valid.join(", ")
        )))
    }

    /// The event of these names, as the database has them.
    pub fn from_names(entity: &str, action: &str) -> Option<Self> {
        let entity = ENTITIES.iter().find(|(_, name)| *name == entity)?.0;
        let action = ACTIONS.iter().find(|(_, name)| *name == action)?.0;
        Self::new(entity, action).ok()
    }

    /// Every event.
    pub fn all() -> impl Iterator<Item = Self> {
        ENTITIES
            .iter()
            .flat_map(|(entity, _)| entity.actions().iter().map(|action| (*entity, *action)))
            .map(|(entity, action)| Self { entity, action })
    }

    /// To what it happened.
    pub fn entity(self) -> EventEntity {
        self.entity
    }

    /// What happened.
    pub fn action(self) -> EventAction {
        self.action
    }
}

impl fmt::Display for WebhookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.entity.name(), self.action.name())
    }
}

/// In answers the names are in capitals.
impl Serialize for WebhookEvent {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Names {
            entity: String,
            action: String,
        }
        let (entity, action) = (self.entity.name(), self.action.name());
        Names { entity: entity.to_ascii_uppercase(), action: action.to_ascii_uppercase() }.serialize(s)
    }
}

/// Whose change it is. Prompts are registered models with a tag, and have events of their own instead of the models'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Subject {
    Model,
    Prompt,
}

/// What the registry did, in its own terms.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are the wire's own")]
pub enum Change {
    /// A registered model, or a prompt, was created. The description is empty where there is none.
    Created { name: String, tags: Vec<Tag>, description: String },
    /// A tag was set on it. MLflow tells of a prompt's only.
    TagSet { name: String, key: String, value: String },
    /// A tag was deleted from it. MLflow tells of a prompt's only.
    TagDeleted { name: String, key: String },
    /// A version was created.
    VersionCreated {
        name: String,
        version: String,
        source: String,
        run_id: Option<String>,
        tags: Vec<Tag>,
        description: Option<String>,
    },
    /// A tag was set on a version.
    VersionTagSet { name: String, version: String, key: String, value: String },
    /// A tag was deleted from a version.
    VersionTagDeleted { name: String, version: String, key: String },
    /// An alias was set.
    AliasSet { name: String, alias: String, version: String },
    /// An alias was deleted.
    AliasDeleted { name: String, alias: String },
}

/// What a message carries: the fields of the event's payload in MLflow, in their order. `Some(None)` is a `null`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EventData {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Option<String>>,
}

impl Change {
    /// The event that this is, and what it carries; `None` for what MLflow tells nobody of.
    pub fn event(self, of: Subject) -> Option<(WebhookEvent, EventData)> {
        use EventAction::{Created, Deleted, Set};
        use EventEntity as E;
        let either = |model, prompt| match of {
            Subject::Model => model,
            Subject::Prompt => prompt,
        };
        let usual = EventData::default();
        let (entity, action, data) = match self {
            Self::Created { name, tags, description } => {
                let mut tags = by_key(tags);
                if of == Subject::Prompt {
                    tags.retain(|key, _| key != IS_PROMPT && key != PROMPT_TYPE_TAG);
                }
                let data =
                    EventData { name, tags: Some(tags), description: Some(Some(description)), ..usual };
                (either(E::RegisteredModel, E::Prompt), Created, data)
            }
            Self::TagSet { .. } | Self::TagDeleted { .. } if of == Subject::Model => return None,
            Self::TagSet { name, key, value } => {
                (E::PromptTag, Set, EventData { name, key: Some(key), value: Some(value), ..usual })
            }
            Self::TagDeleted { name, key } => {
                (E::PromptTag, Deleted, EventData { name, key: Some(key), ..usual })
            }
            Self::VersionCreated { name, version, source, run_id, tags, description } => {
                let mut tags = by_key(tags);
                let mut data = EventData { name, version: Some(version), ..usual };
                match of {
                    Subject::Model => (data.source, data.run_id) = (Some(source), Some(run_id)),
                    Subject::Prompt => {
                        data.template = Some(tags.remove(PROMPT_TEXT_TAG));
                        tags.retain(|key, _| key != IS_PROMPT && key != PROMPT_TYPE_TAG);
                    }
                }
                (data.tags, data.description) = (Some(tags), Some(description));
                (either(E::ModelVersion, E::PromptVersion), Created, data)
            }
            Self::VersionTagSet { name, version, key, value } => {
                let (version, key, value) = (Some(version), Some(key), Some(value));
                let data = EventData { name, version, key, value, ..usual };
                (either(E::ModelVersionTag, E::PromptVersionTag), Set, data)
            }
            Self::VersionTagDeleted { name, version, key } => {
                let data = EventData { name, version: Some(version), key: Some(key), ..usual };
                (either(E::ModelVersionTag, E::PromptVersionTag), Deleted, data)
            }
            Self::AliasSet { name, alias, version } => {
                let data = EventData { name, alias: Some(alias), version: Some(version), ..usual };
                (either(E::ModelVersionAlias, E::PromptAlias), Created, data)
            }
            Self::AliasDeleted { name, alias } => {
                let data = EventData { name, alias: Some(alias), ..usual };
                (either(E::ModelVersionAlias, E::PromptAlias), Deleted, data)
            }
        };
        Some((WebhookEvent { entity, action }, data))
    }

    /// The change whose event this is, with example values: what a test sends.
    fn example(event: WebhookEvent) -> (Self, Subject) {
        use EventEntity as E;
        let text = str::to_owned;
        let (name, noun, of) = match event.entity {
            E::RegisteredModel => ("example_model", "registered model", Subject::Model),
            E::ModelVersion | E::ModelVersionTag | E::ModelVersionAlias => {
                ("example_model", "model version", Subject::Model)
            }
            E::PromptVersion => ("example_prompt", "prompt version", Subject::Prompt),
            E::Prompt | E::PromptTag | E::PromptVersionTag | E::PromptAlias => {
                ("example_prompt", "prompt", Subject::Prompt)
            }
        };
        let description = format!("An example {noun}");
        let (name, version, alias) = (text(name), text("1"), text("example_alias"));
        let (key, value) = (text("example_key"), text("example_value"));
        let mut tags = vec![Tag { key: key.clone(), value: value.clone() }];
        let deleted = event.action == EventAction::Deleted;
        let change = match event.entity {
            E::RegisteredModel | E::Prompt => Self::Created { name, tags, description },
            E::ModelVersion | E::PromptVersion => {
                tags.push(Tag { key: text(PROMPT_TEXT_TAG), value: text("Hello {{name}}!") });
                tags.retain(|tag| of == Subject::Prompt || tag.key != PROMPT_TEXT_TAG);
                let (source, run_id) = (text("models:/123"), Some(text("abcd1234abcd5678")));
                let description = Some(description);
                Self::VersionCreated { name, version, source, run_id, tags, description }
            }
            E::PromptTag if deleted => Self::TagDeleted { name, key },
            E::PromptTag => Self::TagSet { name, key, value },
            E::ModelVersionTag | E::PromptVersionTag if deleted => {
                Self::VersionTagDeleted { name, version, key }
            }
            E::ModelVersionTag | E::PromptVersionTag => Self::VersionTagSet { name, version, key, value },
            E::ModelVersionAlias | E::PromptAlias if deleted => Self::AliasDeleted { name, alias },
            E::ModelVersionAlias | E::PromptAlias => Self::AliasSet { name, alias, version },
        };
        (change, of)
    }
}

fn by_key(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

/// The example that a test of a webhook sends (`get_example_payload_for_event`).
pub fn example(event: WebhookEvent) -> EventData {
    let (change, of) = Change::example(event);
    change.event(of).map(|(_, data)| data).unwrap_or_default()
}

/// The body of the request that a receiver gets.
pub fn message(event: WebhookEvent, data: &EventData, now_ms: i64) -> String {
    #[derive(Serialize)]
    struct Message<'a> {
        entity: &'static str,
        action: &'static str,
        timestamp: String,
        data: &'a EventData,
    }
    let (entity, action) = (event.entity.name(), event.action.name());
    let message = Message { entity, action, timestamp: iso_time(now_ms), data };
    // Texts and maps of texts can always be written.
    serde_json::to_string(&message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_an_example_that_is_its_own() {
        let all: Vec<_> = WebhookEvent::all().collect();
        assert_eq!(all.len(), 14);
        for event in all {
            let (change, of) = Change::example(event);
            assert_eq!(change.event(of).map(|(event, _)| event), Some(event));
            assert_eq!(WebhookEvent::from_names(event.entity.name(), event.action.name()), Some(event));
        }
        assert_eq!(WebhookEvent::from_names("prompt", "set"), None);
    }

    #[test]
    fn a_models_own_tags_are_nobodys_business() {
        let set = || Change::TagSet { name: "n".into(), key: "k".into(), value: "v".into() };
        assert!(set().event(Subject::Model).is_none());
        let (event, data) = set().event(Subject::Prompt).unwrap();
        assert_eq!(event.to_string(), "prompt_tag.set");
        assert_eq!(serde_json::to_string(&data).unwrap(), r#"{"name":"n","key":"k","value":"v"}"#);
    }

    #[test]
    fn a_prompts_text_is_no_tag() {
        let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
        let tags = vec![
            tag(IS_PROMPT, "true"),
            tag(PROMPT_TEXT_TAG, "Hi"),
            tag(PROMPT_TYPE_TAG, "text"),
            tag("a", "1"),
            tag("a", "2"),
        ];
        let created = |tags| Change::VersionCreated {
            name: "p".into(),
            version: "3".into(),
            source: "s".into(),
            run_id: None,
            tags,
            description: None,
        };
        let json = |of, tags| serde_json::to_string(&created(tags).event(of).unwrap().1).unwrap();
        assert_eq!(
            json(Subject::Prompt, tags),
            r#"{"name":"p","version":"3","template":"Hi","tags":{"a":"2"},"description":null}"#
        );
        assert_eq!(
            json(Subject::Prompt, vec![]),
            r#"{"name":"p","version":"3","template":null,"tags":{},"description":null}"#
        );
        assert_eq!(
            json(Subject::Model, vec![]),
            r#"{"name":"p","version":"3","source":"s","run_id":null,"tags":{},"description":null}"#
        );
    }

    #[test]
    fn a_message_says_what_happened_and_when() {
        let event = WebhookEvent::new(EventEntity::PromptAlias, EventAction::Deleted).unwrap();
        assert_eq!(
            message(event, &example(event), 5),
            r#"{"entity":"prompt_alias","action":"deleted","timestamp":"1970-01-01T00:00:00.005000+00:00","data":{"name":"example_prompt","alias":"example_alias"}}"#
        );
    }
}
