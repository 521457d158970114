//! What a graph takes and gives, and the check of a guest's tensors against it. One check for all engines, before any of
//! them sees a byte: an engine is only ever given what its graph declares.

use crate::{Error, Tensor, TensorType};
use std::collections::HashMap;
use std::fmt;

/// One dimension of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Always this size.
    Fixed(u32),
    /// Any size, the same wherever the name appears among the inputs.
    Named(String),
    /// Any size.
    Any,
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Named(name) => f.write_str(name),
            Self::Any => f.write_str("?"),
        }
    }
}

/// An input or output of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name of the input or output.
    pub name: String,
    /// Type of the elements.
    pub ty: TensorType,
    /// The dimensions, outermost first; `None` when the graph does not tell even how many.
    pub dims: Option<Vec<Dim>>,
}

impl fmt::Display for TensorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.name, self.ty)?;
        if let Some(dims) = &self.dims {
            let dims: Vec<String> = dims.iter().map(Dim::to_string).collect();
            write!(f, " [{}]", dims.join(", "))?;
        }
        Ok(())
    }
}

/// Everything that a graph takes and gives, in the graph's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// What `compute` takes.
    pub inputs: Vec<TensorSpec>,
    /// What `compute` gives.
    pub outputs: Vec<TensorSpec>,
}

impl Signature {
    /// Checks named tensors and brings them into the order of the graph's inputs.
    ///
    /// A graph's scalar (no dimensions) is `[1]` in wasi:nn, and is accepted in both forms.
    ///
    /// # Errors
    /// `invalid-argument` for an unknown, missing or doubled name, a wrong type, or dimensions that the graph does not take.
    pub fn arrange(&self, tensors: Vec<(String, Tensor)>) -> Result<Vec<Tensor>, Error> {
        let mut slots: Vec<Option<Tensor>> = self.inputs.iter().map(|_| None).collect();
        for (name, tensor) in tensors {
            let found = self
                .inputs
                .iter()
                .zip(&mut slots)
                .find(|(spec, _)| spec.name == name);
            let Some((_, slot)) = found else {
                return Err(Error::invalid(format!(
                    "the graph has no input {name:?}; it takes {}",
                    self.takes()
                )));
            };
            if slot.replace(tensor).is_some() {
                return Err(Error::invalid(format!(
                    "input {name:?} was given twice; each is given once"
                )));
            }
        }
        let mut sizes: HashMap<&str, u32> = HashMap::new();
        let mut arranged = Vec::with_capacity(self.inputs.len());
        for (spec, slot) in self.inputs.iter().zip(slots) {
            let Some(tensor) = slot else {
                return Err(Error::invalid(format!(
                    "input {:?} is missing; the graph takes {}",
                    spec.name,
                    self.takes()
                )));
            };
            arranged.push(check(spec, tensor, &mut sizes)?);
        }
        Ok(arranged)
    }

    fn takes(&self) -> String {
        let inputs: Vec<String> = self.inputs.iter().map(TensorSpec::to_string).collect();
        inputs.join(", ")
    }
}

fn check<'a>(
    spec: &'a TensorSpec,
    tensor: Tensor,
    sizes: &mut HashMap<&'a str, u32>,
) -> Result<Tensor, Error> {
    if tensor.ty() != spec.ty {
        return Err(Error::invalid(format!(
            "input {spec} was given {} elements",
            tensor.ty()
        )));
    }
    let Some(dims) = &spec.dims else {
        return Ok(tensor);
    };
    if dims.is_empty() && tensor.dims() == [1] {
        let (_, ty, data) = tensor.into_parts();
        return Tensor::new(Vec::new(), ty, data);
    }
    let wrong = |why: String| {
        Error::invalid(format!(
            "input {spec} was given dimensions {:?}: {why}",
            tensor.dims()
        ))
    };
    if dims.len() != tensor.dims().len() {
        return Err(wrong(format!("{} dimensions were expected", dims.len())));
    }
    for (axis, (dim, &size)) in dims.iter().zip(tensor.dims()).enumerate() {
        let expected = match dim {
            Dim::Fixed(expected) => *expected,
            // Engines disagree on what an empty batch means, and no caller has a use for one.
            Dim::Named(_) | Dim::Any if size == 0 => {
                return Err(wrong(format!("dimension {axis} must be at least 1")));
            }
            Dim::Any => size,
            Dim::Named(name) => *sizes.entry(name.as_str()).or_insert(size),
        };
        if size != expected {
            return Err(wrong(format!(
                "dimension {axis} ({dim}) must be {expected}"
            )));
        }
    }
    Ok(tensor)
}
