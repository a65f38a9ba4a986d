//! Objects that were made in buckets: of the site, whose paths are invalidated, all of a batch at once; and access logs, whose
//! views are counted. What fails here is reported, so that it comes again.

use std::collections::BTreeSet;

use super::Function;
use super::services::deadline;
use crate::batch::{Counted, Failed};
use crate::cloudfront;
use crate::invalidate;
use crate::lambda::Invocation;
use crate::logs;
use crate::trigger::{Content, Message, Object};

impl Function {
    /// Does what objects ask for; what is not done is in `counted`.
    pub(super) fn objects(&mut self, messages: &[Message], invocation: &Invocation, counted: &mut Counted) {
        let (mut changed, mut of_site) = (Vec::new(), BTreeSet::new());
        let mut files = Vec::new();
        let sources = &self.settings.sources;
        for (place, message) in messages.iter().enumerate() {
            let Ok(Content::Objects(objects)) = &message.content else { continue };
            let is = |bucket: &Option<String>, object: &Object| bucket.as_deref() == Some(&object.bucket);
            for object in objects {
                if is(&sources.log_bucket, object) {
                    files.push((place, object));
                } else if is(&sources.site_bucket, object) && self.settings.invalidate.is_some() {
                    of_site.insert(place);
                    changed.push(object.clone());
                } else {
                    let why = "the object is in no bucket that this counter looks after".to_owned();
                    counted.failed.insert(place, Failed::Malformed(why));
                }
            }
        }
        if !changed.is_empty()
            && let Err(why) = self.invalidate_objects(&changed, invocation)
        {
            for place in of_site {
                counted.failed.entry(place).or_insert_with(|| Failed::Store(why.clone()));
            }
        }
        for (place, object) in files {
            if let Err(failed) = self.count_file(place, object, invocation, counted) {
                counted.failed.entry(place).or_insert(failed);
            }
        }
    }

    fn invalidate_objects(&mut self, objects: &[Object], invocation: &Invocation) -> Result<(), String> {
        let Some(wanted) = self.settings.invalidate.clone() else { return Ok(()) };
        let (paths, reference) = (invalidate::paths(objects), invalidate::objects_reference(objects));
        let until = deadline(self.time_left(invocation));
        cloudfront::invalidate(self.cloudfront()?, &wanted.distribution, &paths, &reference, until)
    }

    fn count_file(
        &mut self,
        place: usize,
        object: &Object,
        invocation: &Invocation,
        counted: &mut Counted,
    ) -> Result<(), Failed> {
        let (mut rest, path) =
            self.access.s3(&self.settings, &object.bucket, &object.key).map_err(Failed::Store)?;
        let until = deadline(self.time_left(invocation));
        let file = logs::fetch(&mut rest, &path, until)?;
        let now = (self.access.clock)();
        let remembers = self.settings.remembers;
        let mut tools = self.counter.tools();
        logs::count(&mut tools, (place, object), &file, remembers, now, counted).map_err(Failed::Malformed)
    }
}
