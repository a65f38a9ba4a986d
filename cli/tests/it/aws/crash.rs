//! The crash loop: a run cut at every call, in every way, and the next one that converges.
