//! Bodies on their way in and out: bounded in size, watched for stalls, and counted. What is in them is never looked at.

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error, WasiBody};

/// Why a request's body ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFault {
    /// No byte came for longer than the limit, while one was waited for.
    Stalled,
    /// More bytes than the limit.
    TooLarge,
    /// The connection broke.
    Broken,
}

/// What the server learns of a request's body while the component has it.
#[derive(Debug, Default)]
pub struct BodyWatch {
    fault: OnceLock<BodyFault>,
    faulted: Notify,
    bytes: AtomicU64,
}

impl BodyWatch {
    /// Waits until the body fails; forever if it does not.
    pub async fn fault(&self) -> BodyFault {
        loop {
            let faulted = self.faulted.notified();
            if let Some(fault) = self.fault.get() {
                return *fault;
            }
            faulted.await;
        }
    }

    /// Bytes that came so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    fn set(&self, fault: BodyFault) {
        // Only the first fault is the reason.
        let _ = self.fault.set(fault);
        self.faulted.notify_one();
    }
}

/// A request's body, bounded in size and in how long it may stall.
///
/// What the component has not read when it lets the body go is read and thrown away for a while: a client that is still sending would
/// otherwise find its connection reset, and never see the answer that was given early.
pub struct RequestBody<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    inner: Option<B>,
    bytes_max: u64,
    stall: Duration,
    timer: Pin<Box<Sleep>>,
    waiting: bool,
    failed: bool,
    watch: Arc<BodyWatch>,
}

impl<B> RequestBody<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    /// A body of at most `bytes_max` bytes that may stall for `stall`. Must be made inside a tokio runtime.
    pub fn new(inner: B, bytes_max: u64, stall: Duration, watch: Arc<BodyWatch>) -> Self {
        Self {
            inner: Some(inner),
            bytes_max,
            stall,
            timer: Box::pin(tokio::time::sleep(stall)),
            waiting: false,
            failed: false,
            watch,
        }
    }

    fn fail(
        &mut self,
        fault: BodyFault,
        error: Error,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.failed = true;
        self.watch.set(fault);
        Poll::Ready(Some(Err(error)))
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let Some(inner) = this.inner.as_mut().filter(|_| !this.failed) else {
            return Poll::Ready(None);
        };
        match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting = false;
                let count = frame
                    .data_ref()
                    .map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
                let before = this.watch.bytes.fetch_add(count, Relaxed);
                if before.saturating_add(count) > this.bytes_max {
                    return this.fail(
                        BodyFault::TooLarge,
                        Error::HttpRequestBodySize(Some(this.bytes_max)),
                    );
                }
                Poll::Ready(Some(Ok(frame)))
            }
            // What the connection died of is told to nobody: the client is gone.
            Poll::Ready(Some(Err(_))) => this.fail(BodyFault::Broken, Error::ConnectionTerminated),
            Poll::Ready(None) => {
                this.inner = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                if !this.waiting {
                    this.waiting = true;
                    this.timer.as_mut().reset(Instant::now() + this.stall);
                }
                ready!(this.timer.as_mut().poll(cx));
                this.fail(BodyFault::Stalled, Error::ConnectionReadTimeout)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.failed || self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// How long a body that nobody wants is read on.
const LINGER: Duration = Duration::from_secs(10);

impl<B> Drop for RequestBody<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    fn drop(&mut self) {
        // A stalled client is not waited for a second time, a broken connection has nothing more to say.
        let worth_it = !matches!(
            self.watch.fault.get(),
            Some(BodyFault::Stalled | BodyFault::Broken)
        );
        if let Some(inner) = self.inner.take()
            && worth_it
            && !inner.is_end_stream()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let stall = self.stall;
            runtime.spawn(linger(inner, stall));
        }
    }
}

async fn linger<B: Body<Data = Bytes> + Unpin>(mut body: B, stall: Duration) {
    let drain = async {
        while let Ok(Some(Ok(_))) = tokio::time::timeout(
            stall,
            std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)),
        )
        .await
        {}
    };
    // Whether it ended or not: nobody waits for it.
    let _ = tokio::time::timeout(LINGER, drain).await;
}

/// So much of a body is read before its request's turn to compute is waited for.
const READ_BEFORE_TURN_BYTES: usize = 8 << 20;

/// How long that is waited for. Who sends more slowly is handed on without a turn.
const READING: Duration = Duration::from_secs(30);

/// Pieces below so many bytes are put together: each would hold the buffer that it was read into, and a body may come byte by byte.
const SMALL_PIECE_BYTES: usize = 4 << 10;
/// As large is what they are put together to.
const WHOLE_PIECE_BYTES: usize = 64 << 10;

/// A body of a request that computes. A component infers while it reads, so nothing of the body is handed on before the request's turn has
/// come; and since whoever sends slowly shall keep no turn from others, it is waited for when the body is there, or so much of it.
pub struct InTurn<B, T> {
    inner: B,
    read: VecDeque<Frame<Bytes>>,
    /// Small pieces that came after those.
    tail: BytesMut,
    read_bytes: usize,
    /// How the body ended, once it has.
    end: Option<Result<(), Error>>,
    turn: Option<Pin<Box<T>>>,
}

impl<B, T> InTurn<B, T>
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
    T: Future<Output = ()>,
{
    /// `inner`, handed on once `turn` has come.
    pub fn new(inner: B, turn: T) -> Self {
        Self {
            inner,
            read: VecDeque::new(),
            tail: BytesMut::new(),
            read_bytes: 0,
            end: None,
            turn: Some(Box::pin(turn)),
        }
    }

    /// Waits until its turn has come, or the body has failed. Of a client that sends nothing for as long as `silence` before its body is
    /// there, it gives up: that one may wait for the component to refuse what it has only announced. So it does of one that has not sent it
    /// within [`READING`].
    pub async fn come(&mut self, silence: Duration) {
        let until = tokio::time::Instant::now() + READING;
        while !self.is_read() {
            let read = std::future::poll_fn(|cx| self.poll_read(cx));
            let patience = until.min(tokio::time::Instant::now() + silence);
            if tokio::time::timeout_at(patience, read).await.is_err() {
                return;
            }
        }
        std::future::poll_fn(|cx| self.poll_turn(cx)).await;
    }

    /// Whether so much of the body is there that its turn can be waited for.
    const fn is_read(&self) -> bool {
        self.end.is_some() || self.read_bytes >= READ_BEFORE_TURN_BYTES
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => {
                self.read_bytes += frame.data_ref().map_or(0, Bytes::len);
                match frame.data_ref() {
                    Some(data) if data.len() < SMALL_PIECE_BYTES => {
                        self.tail.extend_from_slice(data);
                        if self.tail.len() >= WHOLE_PIECE_BYTES {
                            self.put_together();
                        }
                    }
                    _ => {
                        self.put_together();
                        self.read.push_back(frame);
                    }
                }
            }
            // What came before is worth nothing without the rest.
            Some(Err(error)) => {
                self.turn = None;
                self.read.clear();
                self.tail.clear();
                self.read_bytes = 0;
                self.end = Some(Err(error));
            }
            None => self.end = Some(Ok(())),
        }
        Poll::Ready(())
    }

    fn put_together(&mut self) {
        if !self.tail.is_empty() {
            let piece = self.tail.split().freeze();
            self.read.push_back(Frame::data(piece));
        }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.is_read() && self.turn.is_some() {
            ready!(self.poll_read(cx));
        }
        if let Some(turn) = self.turn.as_mut() {
            ready!(turn.as_mut().poll(cx));
            self.turn = None;
        }
        Poll::Ready(())
    }
}

impl<B, T> Body for InTurn<B, T>
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
    T: Future<Output = ()>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        ready!(this.poll_turn(cx));
        this.put_together();
        if let Some(frame) = this.read.pop_front() {
            this.read_bytes -= frame.data_ref().map_or(0, Bytes::len);
            return Poll::Ready(Some(Ok(frame)));
        }
        match this.end.take() {
            None => Pin::new(&mut this.inner).poll_frame(cx),
            Some(end) => {
                this.end = Some(Ok(()));
                Poll::Ready(end.err().map(Err))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.turn.is_none()
            && self.read.is_empty()
            && self.tail.is_empty()
            && match &self.end {
                Some(end) => end.is_ok(),
                None => self.inner.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let inner = self.inner.size_hint();
        let read = u64::try_from(self.read_bytes).unwrap_or(u64::MAX);
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint.set_lower(inner.lower().saturating_add(read));
        hint
    }
}

/// What a response tells when it is over.
pub trait Finish: Send + 'static {
    /// The body is gone: `bytes` of it were sent, and `complete` says whether that was all of it.
    fn finish(self, bytes: u64, complete: bool);
}

/// A response's body that tells when it is over. The work of a component ends with it.
pub struct ResponseBody<F: Finish> {
    inner: WasiBody,
    finish: Option<F>,
    sent: u64,
    /// Bytes that the head promised.
    promised: Option<u64>,
    complete: bool,
}

impl<F: Finish> ResponseBody<F> {
    /// Wraps a body. `promised` is the length that the response's head declares; `bodiless` says that the client gets no body whatever
    /// the component wrote, as after `HEAD`.
    pub fn new(inner: WasiBody, promised: Option<u64>, bodiless: bool, finish: F) -> Self {
        let complete = bodiless || promised == Some(0) || inner.is_end_stream();
        Self {
            inner,
            finish: Some(finish),
            sent: 0,
            promised,
            complete,
        }
    }
}

impl<F: Finish + Unpin> Body for ResponseBody<F> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                let count = frame
                    .data_ref()
                    .map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
                self.sent = self.sent.saturating_add(count);
                // Nobody asks again after the last byte that the head promised, or when the body itself says that it was the last.
                self.complete |= self.promised.is_some_and(|promised| self.sent >= promised)
                    || self.inner.is_end_stream();
            }
            Some(Err(_)) => {}
            None => self.complete = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<F: Finish> Drop for ResponseBody<F> {
    fn drop(&mut self) {
        if let Some(finish) = self.finish.take() {
            finish.finish(self.sent, self.complete);
        }
    }
}

/// Bytes of an answer that are read from its component before the client takes them.
const AHEAD_BYTES: usize = 256 << 10;

/// The longest piece in which an answer is handed to the connection: so much has to be taken in the time that a reader may stall.
const PIECE_BYTES: usize = 64 << 10;

/// What an answer that waits to be taken counts for at least, of the bytes that all may have together.
const UNTAKEN_BYTES_MIN: usize = 4 << 10;

/// Reads an answer of a component a little ahead of the client. When the component has said all of it, its `work` is over and, if `untaken`
/// has as many permits as bytes are left to send, its `place` is free: a place is for work, and no client shall keep one by not reading.
/// A client that leaves ends the work. `promised` is as in [`ResponseBody::new`]. Must be called inside a tokio runtime.
pub fn relay<P: Send + 'static>(
    mut body: WasiBody,
    promised: Option<u64>,
    work: impl Finish,
    place: P,
    untaken: Arc<Semaphore>,
) -> WasiBody {
    let (to, frames) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(AHEAD_BYTES));
    let relayed = Relayed {
        frames,
        room: room.clone(),
        out: 0,
        left: promised,
    };
    tokio::spawn(async move {
        let (read, complete) = tokio::select! {
            biased;
            () = to.closed() => (0, false),
            outcome = read_ahead(&mut body, promised, &to, &room) => outcome,
        };
        drop(body);
        work.finish(read, complete);
        // Not sent where the client has left.
        let _ = to.send(None);
        let left = AHEAD_BYTES.saturating_sub(room.available_permits());
        let bytes = u32::try_from(left.max(UNTAKEN_BYTES_MIN)).unwrap_or(u32::MAX);
        let _untaken = match untaken.try_acquire_many_owned(bytes) {
            Ok(bytes) => {
                drop(place);
                (Some(bytes), None)
            }
            Err(_) => (None, Some(place)),
        };
        to.closed().await;
    });
    relayed.boxed_unsync()
}

/// A frame of an answer, or its end.
type Relay = Option<Result<Frame<Bytes>, Error>>;

/// Bytes that were read, and whether that was all of the answer.
async fn read_ahead(
    body: &mut WasiBody,
    promised: Option<u64>,
    to: &mpsc::UnboundedSender<Relay>,
    room: &Semaphore,
) -> (u64, bool) {
    let mut read = 0_u64;
    loop {
        if promised.is_some_and(|promised| read >= promised) {
            return (read, true);
        }
        let frame = match body.frame().await {
            None => return (read, true),
            Some(Err(error)) => {
                let _ = to.send(Some(Err(error)));
                return (read, false);
            }
            Some(Ok(frame)) => frame,
        };
        match frame.into_data() {
            Ok(mut data) => {
                read = read.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
                while !data.is_empty() {
                    let piece = data.split_to(data.len().min(PIECE_BYTES));
                    let bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX);
                    // The semaphore is never closed. Its permits come back when the piece was taken.
                    if let Ok(permits) = room.acquire_many(bytes).await {
                        permits.forget();
                    }
                    let _ = to.send(Some(Ok(Frame::data(piece))));
                }
            }
            Err(trailers) => {
                let _ = to.send(Some(Ok(trailers)));
            }
        }
    }
}

/// What [`relay`] hands to the connection.
struct Relayed {
    frames: mpsc::UnboundedReceiver<Relay>,
    room: Arc<Semaphore>,
    /// Bytes of the piece that the connection has.
    out: usize,
    /// Bytes of those promised that were not handed out.
    left: Option<u64>,
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // Who asks for a piece has taken the one before.
        let taken = std::mem::take(&mut self.out);
        self.room.add_permits(taken);
        let frame = ready!(self.frames.poll_recv(cx)).flatten();
        if let Some(Ok(frame)) = &frame {
            self.out = frame.data_ref().map_or(0, Bytes::len);
            let count = u64::try_from(self.out).unwrap_or(u64::MAX);
            self.left = self.left.map(|left| left.saturating_sub(count));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// When the client of an answer has to have taken what it was handed; `None` while there is nothing to take.
pub type Due = watch::Sender<Option<Instant>>;

/// An answer whose client has to take each piece in time, and all of it in time. It says when; who serves it ends it.
pub struct TimedBody {
    inner: WasiBody,
    due: Arc<Due>,
    stall: Duration,
    end: Instant,
}

impl TimedBody {
    /// An answer that `due` is told of: a piece may lie untaken for `stall`, and all may take `whole` from now on.
    pub fn new(inner: WasiBody, due: Arc<Due>, stall: Duration, whole: Duration) -> Self {
        let end = Instant::now() + whole;
        due.send_replace(Some(end));
        Self {
            inner,
            due,
            stall,
            end,
        }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        let due = match frame {
            Poll::Ready(_) => self.end.min(Instant::now() + self.stall),
            // The client waits for the component, not the other way round.
            Poll::Pending => self.end,
        };
        self.due.send_replace(Some(due));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        self.due.send_replace(None);
    }
}

/// Resolves when a client has not taken in time what it was handed.
pub async fn overdue(mut due: watch::Receiver<Option<Instant>>) {
    loop {
        let at = *due.borrow_and_update();
        let passed = async {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            changed = due.changed() => {
                if changed.is_err() {
                    return std::future::pending().await;
                }
            }
            () = passed => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt as _;
    use http_body_util::{Full, StreamBody};
    use std::sync::Mutex;

    const STALL: Duration = Duration::from_secs(1);

    fn chunks(chunks: Vec<&'static str>) -> impl Body<Data = Bytes, Error = Error> + Send + Unpin {
        let frames = chunks
            .into_iter()
            .map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes()))));
        StreamBody::new(futures::stream::iter(frames))
    }

    #[tokio::test]
    async fn passes_a_body_at_the_limit_and_counts_it() {
        let watch = Arc::new(BodyWatch::default());
        let body = RequestBody::new(
            chunks(vec!["abc", "de"]),
            5,
            Duration::from_secs(1),
            watch.clone(),
        );
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abcde");
        assert_eq!(watch.bytes(), 5);
    }

    #[tokio::test]
    async fn a_body_is_read_before_its_turn_and_handed_on_in_it() {
        let (come, turn) = tokio::sync::oneshot::channel::<()>();
        let watch = Arc::new(BodyWatch::default());
        let inner = RequestBody::new(chunks(vec!["abc", "de"]), 5, STALL, watch.clone());
        let mut body = InTurn::new(inner, async { turn.await.unwrap() });
        assert!(futures::poll!(Box::pin(body.frame())).is_pending());
        assert_eq!((watch.bytes(), body.size_hint().lower()), (5, 5));
        assert!(!body.is_end_stream());
        come.send(()).unwrap();
        body.come(STALL).await;
        // Small pieces are put together.
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "abcde"
        );
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_body_that_comes_byte_by_byte_is_kept_in_few_pieces() {
        let count = 2 * WHOLE_PIECE_BYTES + 3;
        let mut sent = vec!["x"; count];
        // What is large stays where it stands.
        let large: &'static str = "y".repeat(SMALL_PIECE_BYTES).leak();
        sent.insert(5, large);
        let length = count + SMALL_PIECE_BYTES;
        let watch = Arc::new(BodyWatch::default());
        let limit = u64::try_from(length).unwrap();
        let inner = RequestBody::new(chunks(sent), limit, STALL, watch);
        let mut body = InTurn::new(inner, async {});
        body.come(STALL).await;
        assert!(body.read.len() <= 4, "{} pieces", body.read.len());
        assert_eq!(body.size_hint().lower(), limit);
        let whole = body.collect().await.unwrap().to_bytes();
        let expected = ["xxxxx", large, &"x".repeat(count - 5)].concat();
        assert!(whole == expected.as_bytes());
    }

    #[tokio::test]
    async fn a_body_that_has_not_come_takes_no_turn_and_one_without_a_byte_takes_it() {
        let turns = std::cell::Cell::new(0);
        let turn = || {
            turns.set(turns.get() + 1);
            std::future::ready(())
        };
        let late = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Error>>());
        let inner = RequestBody::new(late, 5, STALL, Arc::default());
        let mut body = InTurn::new(inner, async { turn().await });
        assert!(futures::poll!(Box::pin(body.frame())).is_pending());
        assert_eq!(turns.get(), 0);
        let inner = RequestBody::new(chunks(vec![]), 5, STALL, Arc::default());
        let mut body = InTurn::new(inner, async { turn().await });
        assert!(!body.is_end_stream());
        assert!(body.frame().await.is_none());
        assert_eq!(turns.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_nothing_is_not_waited_for_and_keeps_what_was_sent() {
        let frames =
            futures::stream::iter([Ok::<_, Error>(Frame::data(Bytes::from_static(b"ab")))]);
        let silent = StreamBody::new(frames.chain(futures::stream::pending()));
        let inner = RequestBody::new(silent, 5, 9 * STALL, Arc::default());
        let mut body = InTurn::new(inner, std::future::pending());
        body.come(STALL).await;
        assert_eq!(body.read_bytes, 2);
        assert!(futures::poll!(Box::pin(body.frame())).is_pending());
    }

    #[tokio::test]
    async fn of_a_large_body_a_part_is_read_before_its_turn() {
        let (come, turn) = tokio::sync::oneshot::channel::<()>();
        let piece = Bytes::from(vec![7; READ_BEFORE_TURN_BYTES / 4 + 1]);
        let pieces: Vec<_> = (0..9)
            .map(|_| Ok::<_, Error>(Frame::data(piece.clone())))
            .collect();
        let watch = Arc::new(BodyWatch::default());
        let inner = StreamBody::new(futures::stream::iter(pieces));
        let inner = RequestBody::new(inner, u64::MAX, STALL, watch.clone());
        let mut body = InTurn::new(inner, async { turn.await.unwrap() });
        assert!(futures::poll!(Box::pin(body.frame())).is_pending());
        assert_eq!(watch.bytes(), 4 * piece.len() as u64);
        come.send(()).unwrap();
        assert_eq!(
            body.collect().await.unwrap().to_bytes().len(),
            9 * piece.len()
        );
    }

    #[tokio::test]
    async fn of_a_body_that_breaks_off_before_its_turn_nothing_is_handed_on() {
        let inner = RequestBody::new(chunks(vec!["abc", "def"]), 5, STALL, Arc::default());
        let mut body = InTurn::new(inner, std::future::pending());
        body.come(STALL).await;
        assert!(!body.is_end_stream());
        assert!(matches!(
            body.frame().await,
            Some(Err(Error::HttpRequestBodySize(Some(5))))
        ));
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn ends_a_body_one_byte_above_the_limit() {
        let watch = Arc::new(BodyWatch::default());
        let body = RequestBody::new(
            chunks(vec!["abc", "def"]),
            5,
            Duration::from_secs(1),
            watch.clone(),
        );
        assert!(matches!(
            body.collect().await,
            Err(Error::HttpRequestBodySize(Some(5)))
        ));
        assert_eq!(watch.fault().await, BodyFault::TooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn ends_a_body_that_stalls_and_not_one_that_is_slow() {
        let slow = futures::stream::unfold(0, |sent| async move {
            tokio::time::sleep(Duration::from_millis(900)).await;
            (sent < 5).then(|| {
                (
                    Ok::<_, Error>(Frame::data(Bytes::from_static(b"x"))),
                    sent + 1,
                )
            })
        });
        let watch = Arc::new(BodyWatch::default());
        let body = RequestBody::new(
            StreamBody::new(Box::pin(slow)),
            100,
            Duration::from_secs(1),
            watch.clone(),
        );
        assert_eq!(body.collect().await.unwrap().to_bytes(), "xxxxx");

        let stuck = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Error>>());
        let body = RequestBody::new(stuck, 100, Duration::from_secs(1), watch.clone());
        assert!(matches!(
            body.collect().await,
            Err(Error::ConnectionReadTimeout)
        ));
        assert_eq!(watch.fault().await, BodyFault::Stalled);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_reads_is_no_stall() {
        let (sender, receiver) = futures::channel::mpsc::unbounded();
        let watch = Arc::new(BodyWatch::default());
        let mut body = RequestBody::new(
            StreamBody::new(receiver),
            100,
            Duration::from_secs(1),
            watch,
        );
        assert!(futures::poll!(body.frame()).is_pending());
        tokio::time::sleep(Duration::from_secs(5)).await;
        sender
            .unbounded_send(Ok::<_, Error>(Frame::data(Bytes::from_static(b"x"))))
            .unwrap();
        assert!(body.frame().await.unwrap().is_ok());
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(futures::poll!(body.frame()).is_pending());
    }

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Option<(u64, bool)>>>);

    impl Finish for Seen {
        fn finish(self, bytes: u64, complete: bool) {
            *self.0.lock().unwrap() = Some((bytes, complete));
        }
    }

    fn response(
        chunks_: Vec<&'static str>,
        promised: Option<u64>,
        bodiless: bool,
    ) -> (ResponseBody<Seen>, Seen) {
        let seen = Seen::default();
        (
            ResponseBody::new(
                chunks(chunks_).boxed_unsync(),
                promised,
                bodiless,
                seen.clone(),
            ),
            seen,
        )
    }

    #[tokio::test]
    async fn tells_a_response_that_was_read_from_one_that_was_left() {
        let (body, seen) = response(vec!["ab", "c"], None, false);
        body.collect().await.unwrap();
        assert_eq!(*seen.0.lock().unwrap(), Some((3, true)));

        let (mut body, seen) = response(vec!["ab", "c"], None, false);
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(*seen.0.lock().unwrap(), Some((2, false)));

        let (mut body, seen) = response(vec!["ab", "c"], Some(3), false);
        body.frame().await.unwrap().unwrap();
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(*seen.0.lock().unwrap(), Some((3, true)));

        let (body, seen) = response(vec!["ab"], Some(2), true);
        drop(body);
        assert_eq!(*seen.0.lock().unwrap(), Some((0, true)));

        let seen = Seen::default();
        drop(ResponseBody::new(
            Full::new(Bytes::new())
                .map_err(|never| match never {})
                .boxed_unsync(),
            None,
            false,
            seen.clone(),
        ));
        assert_eq!(*seen.0.lock().unwrap(), Some((0, true)));
    }

    /// A place that tells when it is free.
    struct PlaceOf(Arc<OnceLock<()>>);

    impl Drop for PlaceOf {
        fn drop(&mut self) {
            let _ = self.0.set(());
        }
    }

    fn relayed(
        answer: WasiBody,
        promised: Option<u64>,
        untaken: usize,
    ) -> (WasiBody, Seen, Arc<OnceLock<()>>) {
        let (seen, free) = (Seen::default(), Arc::<OnceLock<()>>::default());
        let untaken = Arc::new(Semaphore::new(untaken));
        let body = relay(
            answer,
            promised,
            seen.clone(),
            PlaceOf(free.clone()),
            untaken,
        );
        (body, seen, free)
    }

    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn an_answer_that_was_all_said_keeps_no_place() {
        for promised in [None, Some(3)] {
            let (body, seen, free) =
                relayed(chunks(vec!["ab", "c"]).boxed_unsync(), promised, 1 << 20);
            settle().await;
            // Nobody has taken any of it.
            assert_eq!(
                (*seen.0.lock().unwrap(), free.get()),
                (Some((3, true)), Some(&()))
            );
            assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
        }
    }

    #[tokio::test]
    async fn bytes_that_wait_to_be_taken_are_bounded_in_all() {
        let (body, seen, free) = relayed(
            chunks(vec!["ab"]).boxed_unsync(),
            None,
            UNTAKEN_BYTES_MIN - 1,
        );
        settle().await;
        assert_eq!(
            (*seen.0.lock().unwrap(), free.get()),
            (Some((2, true)), None)
        );
        drop(body);
        settle().await;
        assert_eq!(free.get(), Some(&()));
    }

    #[tokio::test]
    async fn a_long_answer_is_read_a_little_ahead_and_in_pieces() {
        let long = Bytes::from(vec![7; 4 * AHEAD_BYTES]);
        let (body, seen, free) = relayed(
            Full::new(long.clone())
                .map_err(|never| match never {})
                .boxed_unsync(),
            None,
            1 << 20,
        );
        settle().await;
        assert_eq!((*seen.0.lock().unwrap(), free.get()), (None, None));
        let mut body = std::pin::pin!(body);
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first.len(), PIECE_BYTES);
        let rest = body.collect().await.unwrap().to_bytes();
        assert_eq!(first.len() + rest.len(), long.len());
        settle().await;
        assert_eq!(
            (*seen.0.lock().unwrap(), free.get()),
            (Some((long.len() as u64, true)), Some(&()))
        );
    }

    #[tokio::test]
    async fn a_client_that_leaves_ends_the_work() {
        let never = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Error>>());
        let (body, seen, free) = relayed(never.boxed_unsync(), None, 1 << 20);
        settle().await;
        assert_eq!((*seen.0.lock().unwrap(), free.get()), (None, None));
        drop(body);
        settle().await;
        assert_eq!(
            (*seen.0.lock().unwrap(), free.get()),
            (Some((0, false)), Some(&()))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_piece_that_nobody_takes_is_overdue_and_a_slow_component_is_not() {
        let (stall, whole) = (Duration::from_secs(10), Duration::from_secs(100));
        let due = Arc::new(Due::new(None));
        let (sender, receiver) = futures::channel::mpsc::unbounded();
        let mut body = TimedBody::new(
            StreamBody::new(receiver).boxed_unsync(),
            due.clone(),
            stall,
            whole,
        );
        let within =
            |seconds| tokio::time::timeout(Duration::from_secs(seconds), overdue(due.subscribe()));
        // The component is slow.
        assert!(futures::poll!(body.frame()).is_pending());
        assert!(within(50).await.is_err());
        sender
            .unbounded_send(Ok::<_, Error>(Frame::data(Bytes::from_static(b"x"))))
            .unwrap();
        assert!(body.frame().await.unwrap().is_ok());
        assert!(within(9).await.is_err());
        assert!(within(2).await.is_ok());
        // Asked for the next, the client has taken that one; but all of it has its time.
        assert!(futures::poll!(body.frame()).is_pending());
        assert!(within(38).await.is_err());
        assert!(within(2).await.is_ok());
        drop(body);
        assert!(within(1000).await.is_err());
    }
}
