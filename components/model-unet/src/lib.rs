//! The model-unet component.
