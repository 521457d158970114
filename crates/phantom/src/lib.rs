//! A beating-heart phantom with analytically known volumes.
