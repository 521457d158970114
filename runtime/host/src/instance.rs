//! One component ready to serve: how its instances are made, how many requests each takes, and when one is dropped. What a request
//! means is the business of [`crate::app`] and [`crate::server`].

use crate::admission::Computing;
use crate::app::Capabilities;
use crate::capability::Capability as _;
use crate::ctx::Ctx;
use crate::memory::Freed;
use crate::metrics::Metrics;
use crate::settings::ComponentSettings;
use crate::static_files::Mounts;
use futures::task::AtomicWaker;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::Sleep;
use wasmtime::component::{GuestTaskId, ResourceTable};
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpView};

/// What all instances of one component have in common.
pub struct Blueprint {
    pub(crate) id: Arc<str>,
    pub(crate) engine: Engine,
    pub(crate) pre: ProxyPre<Ctx>,
    pub(crate) capabilities: Arc<Capabilities>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) mounts: Mounts,
    pub(crate) settings: ComponentSettings,
    pub(crate) times: Times,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) retirement: Arc<Retirement>,
    /// The last field, and so the last to go.
    pub(crate) _freed: Freed,
}

/// Whether another component has taken over, and who has to be told.
#[derive(Debug, Default)]
pub(crate) struct Retirement {
    retired: AtomicBool,
    /// Whether the host ends: what is dropped from then on did not fail.
    ending: AtomicBool,
    workers: Mutex<Vec<Weak<Worker>>>,
}

impl Retirement {
    fn join(&self, worker: &Arc<Worker>) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|worker| worker.strong_count() > 0);
        workers.push(Arc::downgrade(worker));
    }
}

/// How long an instance may be in which state.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From a request's arrival to the head of its response.
    pub request: Duration,
    /// From the head of the last response to the end of all work.
    pub response: Duration,
    /// With nothing to do.
    pub idle: Duration,
}

/// One request's tie to the instance that serves it. Ended by whoever waits for the answer, whether it came or nobody wants it any more.
#[derive(Debug)]
pub struct Link {
    /// When the head of the response has to be there.
    deadline: tokio::time::Instant,
    state: Mutex<LinkState>,
    exceeded: OnceLock<Arc<AtomicBool>>,
}

#[derive(Debug)]
enum LinkState {
    Queued(Computing),
    Served(Arc<Worker>),
    Ended,
}

impl Link {
    /// The tie of a request that has not found an instance yet.
    pub fn new(deadline: Duration) -> Arc<Self> {
        let deadline = tokio::time::Instant::now() + deadline;
        Self::of(deadline, Computing::default())
    }

    /// The tie of a request that may have a place to compute, which the instance that takes it holds until it could take another: a new one would be
    /// made for the next request otherwise, beside the one that is about to be free.
    pub fn of(deadline: tokio::time::Instant, computing: Computing) -> Arc<Self> {
        Arc::new(Self {
            deadline,
            state: Mutex::new(LinkState::Queued(computing)),
            exceeded: OnceLock::new(),
        })
    }

    /// Whether the deadline for the head has passed.
    pub fn overdue(&self) -> bool {
        tokio::time::Instant::now() >= self.deadline
    }

    /// When the head has to be there.
    pub const fn deadline(&self) -> tokio::time::Instant {
        self.deadline
    }

    /// Whether the instance asked for more memory than it may have.
    pub fn memory_exceeded(&self) -> bool {
        self.exceeded
            .get()
            .is_some_and(|exceeded| exceeded.load(SeqCst))
    }

    /// The request is over: answered to the end, or not wanted any more. An instance that only such requests are left of is dropped.
    pub fn end(&self, complete: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // The first end counts.
        if let LinkState::Served(worker) = std::mem::replace(&mut *state, LinkState::Ended) {
            worker.end(complete);
        }
    }

    fn serve(&self, worker: &Arc<Worker>, exceeded: Arc<AtomicBool>) {
        let _ = self.exceeded.set(exceeded);
        worker.working.store(true, SeqCst);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            LinkState::Queued(computing) => {
                worker.live.fetch_add(1, SeqCst);
                worker.computes(Some(computing.clone()));
                *state = LinkState::Served(worker.clone());
            }
            LinkState::Served(_) => {}
            // Nobody waits any more; the instance has the request all the same.
            LinkState::Ended => worker.abandon(),
        }
    }
}

/// What an instance's two watchers know: the one that takes requests, and the one that drops the instance.
#[derive(Debug, Default)]
pub struct Worker {
    /// Requests that somebody waits for.
    live: AtomicUsize,
    /// A request was taken and the instance has not been without work since: it may go on after the last response was sent.
    working: AtomicBool,
    /// A request was left that the instance still works on. It takes no more, and ends when nobody waits for it.
    abandoned: AtomicBool,
    /// The place of the last request that it took.
    computing: Mutex<Option<Computing>>,
    waker: AtomicWaker,
}

impl Worker {
    fn end(&self, complete: bool) {
        self.live.fetch_sub(1, SeqCst);
        if !complete {
            self.abandoned.store(true, SeqCst);
        }
        // There may be room for another request now, or no reason to go on.
        self.waker.wake();
    }

    fn abandon(&self) {
        self.abandoned.store(true, SeqCst);
        self.waker.wake();
    }

    /// Holds the place of a request, or none, and lets the one before go.
    fn computes(&self, at: Option<Computing>) {
        let mut computing = self
            .computing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *computing = at;
    }

    fn useless(&self) -> bool {
        self.abandoned.load(SeqCst) && self.live.load(SeqCst) == 0
    }
}

/// Decides which requests an instance takes.
pub struct Takes {
    id: Arc<str>,
    worker: Arc<Worker>,
    concurrency: usize,
    reuse_max: usize,
    metrics: Arc<Metrics>,
    retirement: Arc<Retirement>,
}

/// Decides when an instance is dropped.
pub struct Lifetime {
    worker: Arc<Worker>,
    times: Times,
    retirement: Arc<Retirement>,
    timer: Pin<Box<Sleep>>,
    armed: Option<tokio::time::Instant>,
}

impl WorkerState for Takes {
    type StoreData = Ctx;
    type RequestData = Arc<Link>;

    fn should_accept_request(&self, concurrent_count: usize, total_count: usize) -> ShouldAccept {
        if total_count >= self.reuse_max || self.worker.abandoned.load(SeqCst) {
            ShouldAccept::Never
        } else if concurrent_count >= self.concurrency
            || self.worker.live.load(SeqCst) >= self.concurrency
            || self.concurrency == 1 && self.worker.working.load(SeqCst)
        {
            // A response that is still being sent counts as well: its component may be computing. Where an instance has one request at a time, so
            // does what it does afterwards: a trap there would take the next request along.
            ShouldAccept::No
        } else {
            // Whoever waits for the place finds this instance.
            self.worker.computes(None);
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        store: StoreContextMut<'_, Ctx>,
        link: Arc<Link>,
        _task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        link.serve(&self.worker, store.data().memory.exceeded());
        Box::pin(tokio::time::sleep_until(link.deadline))
    }

    fn drop(&self, store: Store<Ctx>, result: wasmtime::Result<()>) {
        let memory_bytes = store.data().memory.bytes();
        // Its memory goes before another may have its place.
        drop(store);
        self.worker.computes(None);
        let ending = self.retirement.ending.load(SeqCst);
        self.metrics
            .instance_ended(&self.id, result.is_err() && !ending);
        match result {
            Ok(()) => tracing::debug!(component = %self.id, memory_bytes, "instance ended"),
            Err(_) if ending => {
                tracing::debug!(component = %self.id, memory_bytes, "instance dropped: the host ends");
            }
            Err(_) if self.worker.abandoned.load(SeqCst) => {
                tracing::debug!(component = %self.id, memory_bytes, "instance dropped: nobody waits for its work");
            }
            // The text holds the guest's own call stack and the trap; nothing of the request.
            Err(error) => {
                tracing::error!(component = %self.id, memory_bytes, error = %format!("{error:?}"), "instance failed")
            }
        }
    }
}

impl WorkerExpiration for Lifetime {
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        self.worker.waker.register(cx.waker());
        if self.worker.useless() {
            return Poll::Ready(());
        }
        if status == WorkerStatus::Idle && self.worker.working.swap(false, SeqCst) {
            // Whether another request is taken was asked before this was known: it is asked again.
            cx.waker().wake_by_ref();
        }
        let allowed = match status {
            WorkerStatus::Requests => self.times.request,
            WorkerStatus::PostReturn => self.times.response,
            // A request that was sent to it before another took over may still be on its way: it finds no instance then, and gets a new one.
            WorkerStatus::Idle if self.retirement.retired.load(SeqCst) => Duration::ZERO,
            WorkerStatus::Idle => self.times.idle,
        };
        let end = tokio::time::Instant::from_std(start + allowed);
        if self.armed != Some(end) {
            self.timer.as_mut().reset(end);
            self.armed = Some(end);
        }
        self.timer.as_mut().poll(cx)
    }
}

impl HandlerState for Blueprint {
    type StoreData = Ctx;
    type WorkerExpiration = Lifetime;
    type WorkerState = Takes;

    async fn instantiate(&self) -> wasmtime::Result<Instance<Ctx, Lifetime, Takes>> {
        let mut store = Store::new(
            &self.engine,
            self.ctx().map_err(wasmtime::Error::from_anyhow)?,
        );
        store.limiter(|ctx| &mut ctx.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let proxy = self.pre.instantiate_async(&mut store).await?;
        self.metrics.instance_started(&self.id);
        let worker = Arc::new(Worker::default());
        self.retirement.join(&worker);
        // A component of WASI 0.2 has no idea of a second request.
        let (concurrency, reuse_max) = match self.pre {
            ProxyPre::P2(_) => (1, 1),
            ProxyPre::P3(_) => (self.settings.concurrency, self.settings.instance_reuse_max),
        };
        Ok(Instance {
            store,
            proxy,
            view: Ctx::http,
            expiration: Lifetime {
                worker: worker.clone(),
                times: self.times,
                retirement: self.retirement.clone(),
                timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
                armed: None,
            },
            state: Takes {
                id: self.id.clone(),
                worker,
                concurrency,
                reuse_max,
                metrics: self.metrics.clone(),
                retirement: self.retirement.clone(),
            },
        })
    }
}

impl Blueprint {
    /// Another component has taken over: instances with nothing to do end now, the others when they are done.
    pub(crate) fn retire(&self) {
        self.retirement.retired.store(true, SeqCst);
        let workers = self
            .retirement
            .workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for worker in workers.iter().filter_map(Weak::upgrade) {
            worker.waker.wake();
        }
    }

    /// The host ends: as [`Blueprint::retire`], and what is dropped before it was done is no failure.
    pub(crate) fn end(&self) {
        self.retirement.ending.store(true, SeqCst);
        self.retire();
    }

    fn ctx(&self) -> anyhow::Result<Ctx> {
        let mut wasi = wasmtime_wasi::WasiCtx::builder();
        wasi.envs(&self.environment)
            .stdout(crate::log::GuestOutput::new(&self.id, "stdout"))
            .stderr(crate::log::GuestOutput::new(&self.id, "stderr"));
        self.mounts.add_to(&mut wasi)?;
        Ok(Ctx {
            component: self.id.clone(),
            table: ResourceTable::new(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            memory: crate::engine::MemoryLimit::new(self.settings.instance_memory_bytes_max),
            outbound_http: self.capabilities.outbound_http.prepare(&self.id)?,
            key_value: self.capabilities.key_value.prepare(&self.id)?,
            sqlite: self.capabilities.sqlite.prepare(&self.id)?,
            variables: self.capabilities.variables.prepare(&self.id)?,
            nn: cinecor_nn::NnCtx::new(self.capabilities.nn.clone()),
        })
    }
}
