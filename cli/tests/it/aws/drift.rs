//! What somebody changed by hand is seen, and mended by the next deploy.
