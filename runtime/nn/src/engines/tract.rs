//! tract: the engine that is compiled in and needs nothing on the machine. Processor only, fp32 arithmetic.
//!
//! tract computes on one core. Graphs whose items along the first dimension do not touch one another (which is proved from
//! the graph, not guessed) are cut into single items that a pool of threads shares among all requests: a batch uses every
//! core, and so do many requests at once. An item is always computed alone, so that its bytes do not depend on its company.

use super::items::{item_of, join, same_batch};
use super::output;
use super::pool::Pool;
use crate::config::Config;
use crate::engine::{Engine, Graph, GraphFormat, GraphSource};
use crate::signature::Dim;
use crate::{Error, Signature, Tensor, TensorType};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tract_onnx::Onnx;
use tract_onnx::data_resolver::ModelDataResolver;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{Gather, MultiBroadcastTo, Slice, TypedConcat};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::change_axes::{AxisOp, InOut};
use tract_onnx::tract_core::ops::cnn::{Conv, Deconv, MaxPool, PoolSpec, SumPool};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::identity::Identity;
use tract_onnx::tract_core::ops::logic::Iff;
use tract_onnx::tract_core::ops::nn::{NearestUpsample, Reduce, Resize, Softmax};
use tract_onnx::tract_hir::infer::ShapeFactoid;

/// The version of tract that Cargo.toml asks for; the crate does not tell its own.
const VERSION: &str = "0.23";

/// Items of a batch per compute: the cores share them, while the tensors stay small. On a machine of many cores the settings can
/// ask for more.
const BATCH: u32 = 4;

/// Plans that a graph keeps for different shapes.
const PLANS_MAX: usize = 4;

pub(super) fn open(device: &str, config: &Config) -> Result<Arc<dyn Engine>, String> {
    if device != "cpu" {
        return Err(format!("tract has no device {device:?}, only \"cpu\""));
    }
    let threads = config.thread_count();
    let pool = Pool::new("tract", threads)
        .map_err(|error| format!("tract's threads could not be started: {error}"))?;
    Ok(Arc::new(TractEngine {
        pool: Arc::new(pool),
        threads,
        batch: if config.batch == 0 {
            BATCH
        } else {
            config.batch
        },
    }))
}

struct TractEngine {
    pool: Arc<Pool>,
    threads: usize,
    batch: u32,
}

impl Engine for TractEngine {
    fn name(&self) -> &'static str {
        "tract"
    }

    fn version(&self) -> &str {
        VERSION
    }

    fn device(&self) -> &str {
        "cpu"
    }

    fn reads(&self, format: GraphFormat) -> bool {
        format == GraphFormat::Onnx
    }

    fn batch(&self) -> u32 {
        self.batch
    }

    fn at_work_max(&self) -> usize {
        // One more than there are cores: while one request's last items end, another's first begin.
        self.threads + 1
    }

    fn load(&self, source: &GraphSource) -> Result<Arc<dyn Graph>, Error> {
        let Some(signature) = source.signature.clone() else {
            return Err(Error::encoding("tract reads ONNX graphs only"));
        };
        for spec in signature.inputs.iter().chain(&signature.outputs) {
            datum_type(spec.ty)?;
        }
        let onnx = Onnx {
            provider: Arc::new(NoOtherFiles),
            ..tract_onnx::onnx()
        };
        let model = onnx
            .model_for_read(&mut source.model.as_slice())
            .map_err(|error| Error::encoding(format!("tract cannot read the graph: {error:#}")))?;
        if model.input_outlets().map(<[_]>::len).ok() != Some(signature.inputs.len()) {
            return Err(Error::encoding(
                "tract reads other inputs from the graph than it declares",
            ));
        }
        let graph = TractGraph {
            signature,
            model,
            pool: self.pool.clone(),
            plans: Mutex::default(),
        };
        // A graph whose shapes are known but for the batch is made ready now: what tract lacks is told by `load`, not by the
        // first compute.
        let shapes: Option<Vec<Vec<usize>>> = graph
            .signature
            .inputs
            .iter()
            .map(|spec| usual_shape(spec.dims.as_deref()?))
            .collect();
        if let Some(shapes) = shapes {
            graph
                .plan(&shapes)
                .map_err(|error| Error::unsupported(error.text))?;
        }
        Ok(Arc::new(graph))
    }
}

/// The shape with one item of a batch, where only the first dimension is open.
fn usual_shape(dims: &[Dim]) -> Option<Vec<usize>> {
    dims.iter()
        .enumerate()
        .map(|(axis, dim)| match dim {
            Dim::Fixed(size) => usize::try_from(*size).ok(),
            _ if axis == 0 => Some(1),
            _ => None,
        })
        .collect()
}

/// A graph comes from a guest: no path in it is opened.
struct NoOtherFiles;

impl ModelDataResolver for NoOtherFiles {
    fn read_bytes_from_path(
        &self,
        _: &mut Vec<u8>,
        _: &Path,
        _: usize,
        _: Option<usize>,
    ) -> TractResult<()> {
        Err(TractError::msg("the graph keeps weights in another file"))
    }
}

struct TractGraph {
    signature: Signature,
    model: InferenceModel,
    pool: Arc<Pool>,
    /// Plans by the shapes that they were made for, the latest used last.
    plans: Mutex<Vec<(Vec<Vec<usize>>, Plan)>>,
}

/// A graph made ready for certain shapes.
#[derive(Clone)]
struct Plan {
    runnable: Arc<TypedRunnableModel>,
    /// Whether it takes one item along the first dimension at a time.
    by_item: bool,
}

impl TractGraph {
    /// The plan for inputs of these shapes.
    fn plan(&self, shapes: &[Vec<usize>]) -> Result<Plan, Error> {
        // Plans that take single items serve every batch: they are kept by the shape of one.
        let item: Vec<Vec<usize>> = shapes
            .iter()
            .map(|shape| {
                shape
                    .iter()
                    .enumerate()
                    .map(|(axis, &size)| if axis == 0 { 1 } else { size })
                    .collect()
            })
            .collect();
        {
            let mut plans = self.lock();
            let fits = |(made_for, plan): &(Vec<Vec<usize>>, Plan)| {
                *made_for == *shapes
                    || (plan.by_item && *made_for == item && same_batch(shapes).is_some())
            };
            if let Some(position) = plans.iter().position(fits) {
                let entry = plans.remove(position);
                let plan = entry.1.clone();
                plans.push(entry);
                return Ok(plan);
            }
        }
        // Where nobody computes side by side, a single item needs no proof that others would not touch it: that costs as much as the plan.
        let side_by_side = cfg!(feature = "host") || shapes != item;
        let by_item = side_by_side
            && same_batch(shapes).is_some()
            && self.batch_is_open()
            && items_are_apart(&self.model, &item).unwrap_or(false);
        let made_for = if by_item { item } else { shapes.to_vec() };
        let runnable = runnable(&self.model, &made_for).map_err(|error| {
            Error::runtime(format!(
                "tract cannot prepare the graph for inputs of shapes {made_for:?}: {error:#}"
            ))
        })?;
        let plan = Plan { runnable, by_item };
        let mut plans = self.lock();
        if plans.len() >= PLANS_MAX {
            plans.remove(0);
        }
        plans.push((made_for, plan.clone()));
        Ok(plan)
    }

    /// Whether every input's first dimension may have any size.
    fn batch_is_open(&self) -> bool {
        self.signature.inputs.iter().all(|spec| {
            spec.dims
                .as_ref()
                .is_some_and(|dims| matches!(dims.first(), Some(Dim::Named(_) | Dim::Any)))
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Vec<Vec<usize>>, Plan)>> {
        // Plans are whole once they are in the list: a panic elsewhere does not spoil them.
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outputs(&self, values: TVec<TValue>) -> Result<Vec<Tensor>, Error> {
        self.signature
            .outputs
            .iter()
            .zip(values)
            .map(|(spec, value)| from_tract(spec, &value))
            .collect()
    }
}

impl Graph for TractGraph {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Error> {
        let shapes: Vec<Vec<usize>> = inputs.iter().map(Tensor::shape).collect();
        let plan = self.plan(&shapes)?;
        let failed = |error: TractError| Error::runtime(format!("tract failed: {error:#}"));
        let Some(items) = same_batch(&shapes).filter(|_| plan.by_item) else {
            let values = inputs
                .iter()
                .map(|tensor| to_tract(tensor.ty(), &tensor.shape(), tensor.data()))
                .collect::<Result<_, _>>()?;
            let values = self
                .pool
                .install(|| plan.runnable.run(values))
                .map_err(failed)?;
            return self.outputs(values);
        };
        let compute = |item: usize| {
            let values = inputs
                .iter()
                .map(|tensor| one_item(tensor, items, item))
                .collect::<Result<_, _>>()?;
            self.outputs(plan.runnable.run(values).map_err(failed)?)
        };
        let computed = self.pool.each(items, compute);
        join(&self.signature, computed?)
    }
}

/// Item `item` of `items` along the first dimension.
fn one_item(tensor: &Tensor, items: usize, item: usize) -> Result<TValue, Error> {
    let (shape, bytes) = item_of(tensor, items, item);
    to_tract(tensor.ty(), &shape, bytes)
}

/// Makes the graph ready for inputs of exactly these shapes.
fn runnable(model: &InferenceModel, shapes: &[Vec<usize>]) -> TractResult<Arc<TypedRunnableModel>> {
    let mut model = model.clone();
    for (index, shape) in shapes.iter().enumerate() {
        let fact = model
            .input_fact(index)?
            .clone()
            .with_shape(shape.as_slice());
        model.set_input_fact(index, fact)?;
    }
    model.into_optimized()?.into_runnable()
}

/// Proves that items along the first dimension of all inputs and outputs do not touch one another: every operator that the
/// dimension reaches is one that treats its items alike and apart, and it arrives as the first dimension of every output.
///
/// An operator that is not known here makes the answer no: such a graph is computed whole.
fn items_are_apart(model: &InferenceModel, item: &[Vec<usize>]) -> TractResult<bool> {
    let mut model = model.clone();
    let items = model.symbols.new_with_prefix("items");
    for (index, shape) in item.iter().enumerate() {
        let dims: TVec<TDim> = std::iter::once(items.to_dim())
            .chain(shape.iter().skip(1).map(|&size| size.to_dim()))
            .collect();
        let fact = model
            .input_fact(index)?
            .clone()
            .with_shape(ShapeFactoid::from(dims));
        model.set_input_fact(index, fact)?;
    }
    let model = model.into_typed()?.into_decluttered()?;
    // The outlets that hold items, and along which of their dimensions.
    let mut along: HashMap<OutletId, usize> = model
        .input_outlets()?
        .iter()
        .map(|&outlet| (outlet, 0))
        .collect();
    for id in model.eval_order()? {
        let node = model.node(id);
        let reached: Vec<(usize, usize)> = node
            .inputs
            .iter()
            .enumerate()
            .filter_map(|(slot, outlet)| Some((slot, *along.get(outlet)?)))
            .collect();
        if reached.is_empty() {
            continue;
        }
        match axes_out(&model, node, &reached)? {
            Some(axes) => along.extend(
                axes.into_iter()
                    .enumerate()
                    .map(|(slot, axis)| (OutletId::new(id, slot), axis)),
            ),
            None => {
                tracing::debug!(operator = %node.op.name(), "items of a batch may touch one another here; the batch is computed whole");
                return Ok(false);
            }
        }
    }
    Ok(model
        .output_outlets()?
        .iter()
        .all(|outlet| along.get(outlet) == Some(&0)))
}

fn pool_spec(node: &TypedNode) -> Option<&PoolSpec> {
    let max = node
        .op
        .downcast_ref::<MaxPool>()
        .map(|pool| &pool.pool_spec);
    max.or_else(|| {
        node.op
            .downcast_ref::<SumPool>()
            .map(|pool| &pool.pool_spec)
    })
}

/// Along which dimension each output of an operator holds items, if the operator keeps them apart. `reached` are the inputs that
/// hold items, with their dimensions.
fn axes_out(
    model: &TypedModel,
    node: &TypedNode,
    reached: &[(usize, usize)],
) -> TractResult<Option<Vec<usize>>> {
    let op = &node.op;
    let (inputs, outputs) = model.node_facts(node.id)?;
    let untouched = |axis: usize| reached.iter().all(|&(_, reached)| reached != axis);
    // tract's mapping of axes says where an axis goes, not that its items stay apart: softmax maps the axis that it sums over.
    let apart = if let Some(softmax) = op.downcast_ref::<Softmax>() {
        softmax.axes.iter().all(|&axis| untouched(axis))
    } else if let Some(concat) = op.downcast_ref::<TypedConcat>() {
        untouched(concat.axis)
    } else if let Some(slice) = op.downcast_ref::<Slice>() {
        untouched(slice.axis)
    } else if let Some(pool) = pool_spec(node) {
        // No mapping is given for pools: they leave the batch of their format alone, and shrink the rest.
        let kept = pool.data_format.has_n() && reached == [(0, 0)];
        return Ok(kept.then(|| vec![0; outputs.len()]));
    } else if op.is::<Resize>() || op.is::<NearestUpsample>() {
        // No mapping is given for these. They work on each axis by itself: one that keeps its size is left alone.
        let size = |fact: &TypedFact| fact.shape.first().cloned();
        let kept = reached == [(0, 0)] && size(inputs[0]) == size(outputs[0]);
        return Ok(kept.then(|| vec![0; outputs.len()]));
    } else {
        op.is::<Conv>()
            || op.is::<Deconv>()
            || op.is::<ElementWiseOp>()
            || op.is::<TypedBinOp>()
            || op.is::<Reduce>()
            || op.is::<EinSum>()
            || op.is::<AxisOp>()
            || op.is::<Cast>()
            || op.is::<Identity>()
            || op.is::<Iff>()
            || op.is::<MultiBroadcastTo>()
            || op.is::<Gather>() && reached.iter().all(|&(slot, _)| slot == 0)
    };
    if !apart {
        return Ok(None);
    }
    let mapping = op.axes_mapping(&inputs, &outputs)?;
    let &(slot, axis) = &reached[0];
    let axis = mapping.axis((InOut::In(slot), axis))?;
    for (slot, fact) in inputs.iter().enumerate() {
        let fits = match (
            reached.iter().find(|&&(reached, _)| reached == slot),
            axis.inputs[slot].as_slice(),
        ) {
            (Some((_, expected)), [found]) => found == expected,
            (Some(_), _) => false,
            // What holds no items must be the same for each.
            (None, []) => true,
            (None, others) => others.iter().all(|&other| {
                fact.shape
                    .get(other)
                    .is_some_and(|size| *size == 1.to_dim())
            }),
        };
        if !fits {
            return Ok(None);
        }
    }
    Ok(axis
        .outputs
        .iter()
        .map(|places| {
            if let [place] = places.as_slice() {
                Some(*place)
            } else {
                None
            }
        })
        .collect())
}

fn datum_type(ty: TensorType) -> Result<DatumType, Error> {
    Ok(match ty {
        TensorType::Fp16 => DatumType::F16,
        TensorType::Fp32 => DatumType::F32,
        TensorType::Fp64 => DatumType::F64,
        TensorType::U8 => DatumType::U8,
        TensorType::I32 => DatumType::I32,
        TensorType::I64 => DatumType::I64,
        TensorType::Bf16 => {
            return Err(Error::unsupported(
                "tract has no bf16 tensors; use fp32, or another engine",
            ));
        }
    })
}

fn to_tract(ty: TensorType, shape: &[usize], bytes: &[u8]) -> Result<TValue, Error> {
    let ty = datum_type(ty)?;
    // SAFETY: tract wants as many bytes as the shape takes, which `Tensor` guarantees (it checks again and fails otherwise), and
    // every bit pattern is a value of these types: they are integers and floats.
    let tensor = unsafe { tract_onnx::prelude::Tensor::from_raw_dt(ty, shape, bytes) };
    tensor
        .map(tract_onnx::prelude::Tensor::into_tvalue)
        .map_err(|error| {
            Error::runtime(format!(
                "tract took no tensor of shape {shape:?}: {error:#}"
            ))
        })
}

fn from_tract(spec: &crate::TensorSpec, value: &TValue) -> Result<Tensor, Error> {
    let wanted = datum_type(spec.ty)?;
    // Sizes that tract computes with symbols come out as its own type of number.
    let cast = value
        .cast_to_dt(wanted)
        .map_err(|error| Error::runtime(format!("tract's output {spec}: {error:#}")))?;
    let view = cast
        .try_as_plain_ram()
        .map_err(|error| Error::runtime(format!("tract's output {spec}: {error:#}")))?;
    output(
        &spec.name,
        value.shape().iter().copied(),
        spec.ty,
        view.as_bytes().to_vec(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether tract cuts batches of a case of tests/data into items of `shape`.
    fn is_cut(case: &str, shape: &[usize]) -> bool {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data")
            .join(case);
        let model = tract_onnx::onnx()
            .model_for_path(path.join("model.onnx"))
            .unwrap();
        let inputs = model.input_outlets().unwrap().len();
        items_are_apart(&model, &vec![shape.to_vec(); inputs]).unwrap()
    }

    #[test]
    fn batches_are_cut_where_items_are_apart_and_only_there() {
        assert!(is_cut("unet_transpose", &[1, 1, 16, 12]));
        assert!(is_cut("unet_resize", &[1, 1, 16, 12]));
        assert!(is_cut("named_inputs", &[1, 4]));
        assert!(is_cut("open_size", &[1, 1, 9, 5]));
        assert!(!is_cut("batch_mixing", &[1, 3]));
    }
}
