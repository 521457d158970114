//! How many requests are at work and how many wait: a bounded number each. One more is turned away at once, which costs a client less
//! than an answer that never comes.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The host's places.
#[derive(Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    at_work_max: usize,
    waiting: AtomicUsize,
    waiting_max: usize,
    turns_waiting: Arc<AtomicUsize>,
}

/// The places of one component, within the host's.
#[derive(Clone, Debug)]
pub struct ComponentPlaces(Arc<Semaphore>);

impl ComponentPlaces {
    /// So many places.
    pub fn new(at_work_max: usize) -> Self {
        Self(Arc::new(Semaphore::new(
            at_work_max.min(Semaphore::MAX_PERMITS),
        )))
    }

    /// Whether none is free.
    pub fn are_taken(&self) -> bool {
        self.0.available_permits() == 0
    }
}

/// The place at which a request computes, once its turn has come; free when all have let it go that have it.
#[derive(Clone, Debug, Default)]
pub struct Computing(Arc<OnceLock<OwnedSemaphorePermit>>);

/// A request at work; dropping it frees its places, and ends its turn to compute where nobody else holds it.
#[derive(Debug)]
pub struct Permit {
    computing: Computing,
    turns_waiting: Arc<AtomicUsize>,
    _component: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
}

impl Permit {
    fn new(
        component: OwnedSemaphorePermit,
        host: OwnedSemaphorePermit,
        turns_waiting: &Arc<AtomicUsize>,
    ) -> Self {
        Self {
            computing: Computing::default(),
            turns_waiting: turns_waiting.clone(),
            _component: component,
            _host: host,
        }
    }

    /// The turn to compute of the request that this permit is of, at one of `places`.
    pub fn turn(&self, places: &ComponentPlaces) -> Turn {
        Turn {
            places: places.clone(),
            taken: Arc::downgrade(&self.computing.0),
            waiting: self.turns_waiting.clone(),
        }
    }

    /// Where the request computes, for whoever works on after it is over.
    pub fn computing(&self) -> Computing {
        self.computing.clone()
    }
}

/// A turn to compute that is still to come. It ends with the request's [`Permit`] and [`Computing`].
#[derive(Debug)]
pub struct Turn {
    places: ComponentPlaces,
    taken: Weak<OnceLock<OwnedSemaphorePermit>>,
    waiting: Arc<AtomicUsize>,
}

impl Turn {
    /// Waits for it.
    pub async fn come(self) {
        let _waiting = Waiting::one_more(&self.waiting);
        // The semaphore is never closed. Of a request that is over nobody would free the place.
        if let Ok(place) = self.places.0.acquire_owned().await
            && let Some(taken) = self.taken.upgrade()
        {
            let _ = taken.set(place);
        }
    }
}

/// Why a request was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// Requests that may be at work.
    pub at_work_max: usize,
    /// Requests that may wait.
    pub waiting_max: usize,
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn one_more(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Admission {
    /// So many at work, and so many waiting.
    pub fn new(at_work_max: usize, waiting_max: usize) -> Self {
        let at_work_max = at_work_max.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(at_work_max)),
            at_work_max,
            waiting: AtomicUsize::new(0),
            waiting_max,
            turns_waiting: Arc::default(),
        }
    }

    /// Takes a place of the component and of the host, or waits for them. Dropping the future gives the place in the queue up.
    ///
    /// # Errors
    /// As many wait as may.
    pub async fn enter(&self, component: &ComponentPlaces) -> Result<Permit, Busy> {
        // The component's place first: a request that waits for a full component holds no place that others could use.
        if let Ok(of_component) = component.0.clone().try_acquire_owned()
            && let Ok(of_host) = self.places.clone().try_acquire_owned()
        {
            return Ok(Permit::new(of_component, of_host, &self.turns_waiting));
        }
        let busy = Busy {
            at_work_max: self.at_work_max,
            waiting_max: self.waiting_max,
        };
        self.waiting
            .fetch_update(Relaxed, Relaxed, |waiting| {
                (waiting < self.waiting_max).then_some(waiting + 1)
            })
            .map_err(|_| busy)?;
        let _waiting = Waiting(&self.waiting);
        // The semaphores are never closed.
        let of_component = component
            .0
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| busy)?;
        let of_host = self
            .places
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| busy)?;
        Ok(Permit::new(of_component, of_host, &self.turns_waiting))
    }

    /// Requests at work now.
    pub fn at_work(&self) -> usize {
        self.at_work_max
            .saturating_sub(self.places.available_permits())
    }

    /// Requests waiting now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Requests at work that wait for their turn to compute now.
    pub fn turns_waiting(&self) -> usize {
        self.turns_waiting.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_the_first_request_away_that_finds_the_queue_full() {
        let admission = Admission::new(2, 1);
        let places = ComponentPlaces::new(2);
        let first = admission.enter(&places).await.unwrap();
        let _second = admission.enter(&places).await.unwrap();
        let mut third = std::pin::pin!(admission.enter(&places));
        assert!(futures::poll!(third.as_mut()).is_pending());
        assert_eq!((admission.at_work(), admission.waiting()), (2, 1));
        assert_eq!(
            admission.enter(&places).await.unwrap_err(),
            Busy {
                at_work_max: 2,
                waiting_max: 1
            }
        );
        drop(first);
        third.await.unwrap();
        assert_eq!(admission.waiting(), 0);
    }

    #[tokio::test]
    async fn a_full_component_leaves_places_to_others() {
        let admission = Admission::new(2, 8);
        let (heavy, light) = (ComponentPlaces::new(1), ComponentPlaces::new(2));
        let _one = admission.enter(&heavy).await.unwrap();
        let mut other = Box::pin(admission.enter(&heavy));
        assert!(futures::poll!(other.as_mut()).is_pending());
        admission.enter(&light).await.unwrap();
        drop(other);
        assert_eq!((admission.at_work(), admission.waiting()), (1, 0));
    }

    #[tokio::test]
    async fn a_turn_to_compute_ends_with_its_request_and_others_of_the_component_do_not_wait_for_it()
     {
        let admission = Admission::new(4, 8);
        let (computing, component) = (ComponentPlaces::new(1), ComponentPlaces::new(4));
        let first = admission.enter(&component).await.unwrap();
        let second = admission.enter(&component).await.unwrap();
        first.turn(&computing).come().await;
        let mut turn = Box::pin(second.turn(&computing).come());
        assert!(futures::poll!(turn.as_mut()).is_pending());
        assert_eq!((admission.turns_waiting(), admission.waiting()), (1, 0));
        drop(admission.enter(&component).await.unwrap());
        drop(first);
        turn.await;
        assert_eq!(admission.turns_waiting(), 0);
        let over = admission.enter(&component).await.unwrap();
        let turn = over.turn(&computing);
        drop(over);
        drop(second);
        // What comes when its request is over takes nothing.
        turn.come().await;
        assert_eq!(computing.0.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_place_to_compute_is_kept_by_whoever_works_on_after_the_request_is_over() {
        let admission = Admission::new(4, 8);
        let (places, component) = (ComponentPlaces::new(1), ComponentPlaces::new(4));
        let permit = admission.enter(&component).await.unwrap();
        permit.turn(&places).come().await;
        let computing = permit.computing();
        drop(permit);
        assert_eq!(admission.at_work(), 0);
        assert!(places.are_taken());
        drop(computing);
        assert!(!places.are_taken());
    }
}
