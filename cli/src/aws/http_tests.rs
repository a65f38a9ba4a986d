//! What the environment says about the way out.
