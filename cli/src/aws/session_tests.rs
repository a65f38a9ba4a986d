//! Sessions against a small server that answers as STS does, or as it does when it refuses.
