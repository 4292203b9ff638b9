//! States are checked when they are read: a damaged one is refused, and never panics later.

/// Serialises a type that derives both directions with `#[serde(remote = "Self")]`; what is read must pass `is_sound`.
macro_rules! serde_if_sound {
    ($type:ty, $what:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$type>::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let read = <$type>::deserialize(deserializer)?;
                if read.is_sound() { Ok(read) } else { Err(serde::de::Error::custom(concat!("damaged state of ", $what))) }
            }
        }
    };
}

pub(crate) use serde_if_sound;
