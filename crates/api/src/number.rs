//! Numbers and strings as protobuf's JSON reads and MLflow's JSON writes them.
//!
//! Requests may carry an int64 as a number, as a number with a zero fraction, or as a string; a double may be a
//! string, including `NaN` and `Infinity`. An explicit `null` is the same as an absent field. Answers carry int64
//! as numbers (`message_to_json` in MLflow), and NaN as the string `"NaN"`.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

struct Int64;

impl Visitor<'_> for Int64 {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a 64-bit integer")
    }

    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<i64, E> {
        Ok(v)
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<i64, E> {
        i64::try_from(v).map_err(|_| E::invalid_value(Unexpected::Unsigned(v), &self))
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<i64, E> {
        // Doubles as large as 2^63 stand for integers that did not fit, so that -2^63 - 1 arrives as -2^63.
        if v.fract() == 0.0 && v.abs() < 9_223_372_036_854_775_808.0 {
            Ok(v as i64)
        } else {
            Err(E::invalid_value(Unexpected::Float(v), &self))
        }
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<i64, E> {
        match v.parse() {
            Ok(int) => Ok(int),
            // "1.0" and "1e3" are integers, too.
            Err(_) if v.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) => v
                .parse()
                .map_err(|_| E::invalid_value(Unexpected::Str(v), &self))
                .and_then(|f| self.visit_f64(f)),
            Err(_) => Err(E::invalid_value(Unexpected::Str(v), &self)),
        }
    }
}

struct Double;

impl Visitor<'_> for Double {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a double")
    }

    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<f64, E> {
        Ok(v as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<f64, E> {
        Ok(v as f64)
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<f64, E> {
        Ok(v)
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<f64, E> {
        match v {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            // Rust also reads "inf" and "nan" in any case; protobuf wants the three spellings above.
            _ if v.bytes().any(|b| b.is_ascii_alphabetic() && !matches!(b, b'e' | b'E')) => {
                Err(E::invalid_value(Unexpected::Str(v), &self))
            }
            _ => v.parse().map_err(|_| E::invalid_value(Unexpected::Str(v), &self)),
        }
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct LenientInt(#[serde(deserialize_with = "int64")] i64);

#[derive(Deserialize)]
#[serde(transparent)]
struct LenientDouble(#[serde(deserialize_with = "double")] f64);

fn int64<'de, D: Deserializer<'de>>(d: D) -> Result<i64, D::Error> {
    d.deserialize_any(Int64)
}

fn double<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
    d.deserialize_any(Double)
}

/// `deserialize_with` for an optional int64.
pub fn opt_int64<'de, D: Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
    Ok(Option::<LenientInt>::deserialize(d)?.map(|v| v.0))
}

/// `deserialize_with` for an optional int32, refused outside its range as protobuf does.
pub fn opt_int32<'de, D: Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
    match opt_int64(d)? {
        Some(v) if i32::try_from(v).is_err() => {
            Err(D::Error::invalid_value(Unexpected::Signed(v), &"a 32-bit integer"))
        }
        v => Ok(v),
    }
}

/// `deserialize_with` for an optional double.
pub fn opt_double<'de, D: Deserializer<'de>>(d: D) -> Result<Option<f64>, D::Error> {
    Ok(Option::<LenientDouble>::deserialize(d)?.map(|v| v.0))
}

/// `deserialize_with` for a repeated field: `null` is empty.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(d)?.unwrap_or_default())
}

/// `deserialize_with` for a repeated message: `null` is empty, and every item is a JSON object.
pub fn messages<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Vec<T>, D::Error> {
    let items = Option::<Vec<Object<T>>>::deserialize(d)?.unwrap_or_default();
    Ok(items.into_iter().map(|item| item.0).collect())
}

/// A struct that is read from a JSON object only; serde would take a list of its fields as well.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "an experiment id is a string or an integer")]
enum IdText {
    Text(String),
    Int(i64),
}

impl IdText {
    fn into_string(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Int(int) => int.to_string(),
        }
    }
}

/// `deserialize_with` for `experiment_id`, which MLflow also takes as a number (`_stringify_all_experiment_ids`).
pub fn opt_experiment_id<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<IdText>::deserialize(d)?.map(IdText::into_string))
}

/// `deserialize_with` for `experiment_ids`, whose items MLflow also takes as numbers.
pub fn experiment_ids<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let ids = Option::<Vec<IdText>>::deserialize(d)?.unwrap_or_default();
    Ok(ids.into_iter().map(IdText::into_string).collect())
}

/// `serialize_with` for a metric value: NaN and infinities become strings, as protobuf's JSON writes them.
pub fn write_double<S: Serializer>(v: &f64, s: S) -> Result<S::Ok, S::Error> {
    if v.is_nan() {
        s.serialize_str("NaN")
    } else if v.is_infinite() {
        s.serialize_str(if *v > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        s.serialize_f64(*v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn int(v: serde_json::Value) -> Result<Option<i64>, serde_json::Error> {
        opt_int64(v)
    }

    fn dbl(v: serde_json::Value) -> Result<Option<f64>, serde_json::Error> {
        opt_double(v)
    }

    #[test]
    fn integers_come_in_three_spellings() {
        for v in [json!(5), json!("5"), json!(5.0), json!("5.0"), json!("0.5e1")] {
            assert_eq!(int(v).unwrap(), Some(5));
        }
        assert_eq!(int(json!(i64::MIN)).unwrap(), Some(i64::MIN));
        assert_eq!(int(json!("9223372036854775807")).unwrap(), Some(i64::MAX));
        assert_eq!(int(json!(null)).unwrap(), None);
        let below: serde_json::Value = serde_json::from_str("-9223372036854775809").unwrap();
        for v in [json!(5.5), json!("x"), json!(true), json!(u64::MAX), json!(9.3e18), json!([1]), below] {
            assert!(int(v.clone()).is_err(), "{v}");
        }
    }

    #[test]
    fn doubles_know_three_words() {
        assert!(dbl(json!("NaN")).unwrap().unwrap().is_nan());
        assert_eq!(dbl(json!("-Infinity")).unwrap(), Some(f64::NEG_INFINITY));
        assert_eq!(dbl(json!("1e3")).unwrap(), Some(1000.0));
        for v in [json!("nan"), json!("inf"), json!("infinity"), json!(false), json!("")] {
            assert!(dbl(v.clone()).is_err(), "{v}");
        }
    }

    #[test]
    fn repeated_messages_are_objects() {
        use crate::Tag;
        assert_eq!(messages::<_, Tag>(json!([{"key": "a"}])).unwrap()[0].key, "a");
        for v in [json!([["a", "b"]]), json!(["a"]), json!([null]), json!({})] {
            assert!(messages::<_, Tag>(v.clone()).is_err(), "{v}");
        }
    }

    #[test]
    fn experiment_ids_may_be_numbers() {
        assert_eq!(experiment_ids(json!([1, "2"])).unwrap(), ["1", "2"]);
        assert_eq!(opt_experiment_id(json!(7)).unwrap().as_deref(), Some("7"));
    }
}
