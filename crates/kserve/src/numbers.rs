//! Tensors as JSON numbers, flat or nested as their shape is.

use crate::Datatype;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};
use serde::ser::{Error as _, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// The numbers of an array and of the arrays in it, counted and let go: how many there may be is known when the shape is.
#[derive(Debug, Default)]
pub(crate) struct Counted(pub(crate) usize);

/// A number as JSON has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut count = 0;
        Each(&mut |_| count += 1).deserialize(deserializer)?;
        Ok(Self(count))
    }
}

/// Hands on each number that it meets.
struct Each<'a>(&'a mut dyn FnMut(Number));

impl<'de> DeserializeSeed<'de> for Each<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Each<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers in arrays")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        (self.0)(Number::Bool(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        (self.0)(Number::Unsigned(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        (self.0)(Number::Signed(value));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        (self.0)(Number::Float(value));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Each(&mut *self.0))?.is_some() {}
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom("a text among the numbers"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom("an object among the numbers"))
    }
}

/// Where the numbers of one output go: as elements of its type, into room that its shape has measured. `fits` turns false at a number that is none
/// of that type.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) datatype: Datatype,
    pub(crate) data: Vec<u8>,
    pub(crate) fits: bool,
}

/// Reads an answer's text again, and puts the numbers of each output into its room, in their order; an output without a room has none that are read.
pub(crate) struct Fill<'a>(pub(crate) &'a mut [Option<Room>]);

impl<'de> DeserializeSeed<'de> for Fill<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "outputs" => map.next_value_seed(Outputs(&mut *self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct Outputs<'a>(&'a mut [Option<Room>]);

impl<'de> DeserializeSeed<'de> for Outputs<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Outputs<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outputs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for room in self.0 {
            if items.next_element_seed(OneOutput(room.as_mut()))?.is_none() {
                return Ok(());
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

struct OneOutput<'a>(Option<&'a mut Room>);

impl<'de> DeserializeSeed<'de> for OneOutput<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneOutput<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an output")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match (&*key, &mut self.0) {
                ("data", Some(room)) => {
                    let Room {
                        datatype,
                        data,
                        fits,
                    } = &mut **room;
                    map.next_value_seed(Each(&mut |number| {
                        *fits = *fits && number.write(*datatype, data);
                    }))?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl Number {
    /// Adds the number to `bytes` as an element of type `ty`; `false` when it is none.
    pub(crate) fn write(self, ty: Datatype, bytes: &mut Vec<u8>) -> bool {
        let integer = match self {
            Self::Bool(value) => Some(i128::from(value)),
            Self::Unsigned(value) => Some(i128::from(value)),
            Self::Signed(value) => Some(i128::from(value)),
            Self::Float(_) => None,
        };
        let float = match self {
            Self::Bool(_) => None,
            // Integers of more than 53 bits are rounded as any parser rounds them.
            Self::Unsigned(value) => Some(value as f64),
            Self::Signed(value) => Some(value as f64),
            Self::Float(value) => Some(value),
        };
        macro_rules! integer {
            ($of:ty) => {
                integer
                    .and_then(|value| <$of>::try_from(value).ok())
                    .map(|value| bytes.extend(value.to_le_bytes()))
            };
        }
        let written = match ty {
            Datatype::Bool => match (self, integer) {
                (Self::Bool(_), Some(value)) | (_, Some(value @ (0 | 1))) => {
                    bytes.push(u8::from(value == 1));
                    Some(())
                }
                _ => None,
            },
            Datatype::Uint8 => integer!(u8),
            Datatype::Uint16 => integer!(u16),
            Datatype::Uint32 => integer!(u32),
            Datatype::Uint64 => integer!(u64),
            Datatype::Int8 => integer!(i8),
            Datatype::Int16 => integer!(i16),
            Datatype::Int32 => integer!(i32),
            Datatype::Int64 => integer!(i64),
            // The number was written as the shortest text that gives the same float again; `as` rounds to it.
            Datatype::Fp32 => float
                .map(|value| value as f32)
                .filter(|value| value.is_finite())
                .map(|value| bytes.extend(value.to_le_bytes())),
            Datatype::Fp64 => float.map(|value| bytes.extend(value.to_le_bytes())),
            Datatype::Fp16 | Datatype::Bf16 => None,
        };
        written.is_some()
    }
}

/// The elements of a tensor, to be written as JSON numbers: floats in the shortest form that gives them again.
pub(crate) struct Elements<'a> {
    ty: Datatype,
    data: &'a [u8],
}

impl<'a> Elements<'a> {
    /// `None` when JSON has no form for one of them: half precision, and floats that are not finite.
    pub(crate) fn new(ty: Datatype, data: &'a [u8]) -> Option<Self> {
        let has_form = match ty {
            Datatype::Fp16 | Datatype::Bf16 => false,
            Datatype::Fp32 => numbers(data).all(|bytes| f32::from_le_bytes(bytes).is_finite()),
            Datatype::Fp64 => numbers(data).all(|bytes| f64::from_le_bytes(bytes).is_finite()),
            _ => true,
        };
        has_form.then_some(Self { ty, data })
    }
}

fn numbers<const N: usize>(data: &[u8]) -> impl Iterator<Item = [u8; N]> {
    data.as_chunks().0.iter().copied()
}

impl Serialize for Elements<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        macro_rules! write {
            ($of:ty) => {
                to.collect_seq(numbers(self.data).map(<$of>::from_le_bytes))
            };
        }
        match self.ty {
            Datatype::Bool => to.collect_seq(self.data.iter().map(|&byte| byte != 0)),
            Datatype::Uint8 => write!(u8),
            Datatype::Uint16 => write!(u16),
            Datatype::Uint32 => write!(u32),
            Datatype::Uint64 => write!(u64),
            Datatype::Int8 => write!(i8),
            Datatype::Int16 => write!(i16),
            Datatype::Int32 => write!(i32),
            Datatype::Int64 => write!(i64),
            Datatype::Fp32 => write!(f32),
            Datatype::Fp64 => write!(f64),
            Datatype::Fp16 | Datatype::Bf16 => {
                Err(S::Error::custom("half precision has no form in JSON"))
            }
        }
    }
}
