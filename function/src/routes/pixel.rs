//! `/v1/pixel.svg`: a picture that counts and shows nothing, for pages without scripts.

use super::badge::Form;
use super::counter::Counter;
use super::hit::Asked;
use super::outcome::{Outcome, Stop};
use super::params::{query, the_path};
use crate::http::Request;
use crate::moment::Moment;
use crate::store::Store;

impl<S: Store> Counter<S> {
    /// Counts the page that `path` names, by the rules of a badge with `hit=1`.
    pub(super) fn pixel(&mut self, request: &Request, now: Moment) -> Outcome {
        self.try_pixel(request, now).unwrap_or_else(|stop| Form::Pixel.error(stop))
    }

    fn try_pixel(&mut self, request: &Request, now: Moment) -> Result<Outcome, Stop> {
        let query = query(request)?;
        let path = the_path(&query)?;
        if request.method == "HEAD" {
            return Ok(Outcome::about(Form::Pixel.empty(), Some(self.setup.rules.key(path)?)));
        }
        let tally = self.tally(request, Asked { path, is_picture: true, ..Asked::default() }, now)?;
        Ok(tally.outcome(Form::Pixel.empty(), true))
    }
}
