//! Signals that somebody sent to the whole process group, with `kill -- -PGID`: the guest has had its own, and
//! forwarding ours would have its handler run twice. Nothing in the signal tells; but the tracer sees what reaches
//! the guest, and from whom.

use std::time::{Duration, Instant};

/// How long a signal of ours waits for news of the guest's own.
const WAIT: Duration = Duration::from_millis(20);

/// How long such news stays good.
const NEWS: Duration = Duration::from_millis(100);

/// A signal as both see it: its number, and who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The signal.
    pub signal: i32,
    /// The sender's pid, 0 if it is outside of our pid namespace.
    pub sender: i32,
}

/// Signals that wait, and news of the guest's.
#[derive(Debug, Default)]
pub struct Doubles {
    held: Vec<(Sent, Option<u64>, Instant)>,
    news: Vec<(Sent, Instant)>,
}

impl Doubles {
    /// The front got a signal for the guest, which may have had its own.
    pub fn hold(&mut self, sent: Sent, value: Option<u64>, now: Instant) {
        self.news.retain(|(_, at)| now < *at + NEWS);
        match self.news.iter().position(|(other, _)| *other == sent) {
            Some(at) => drop(self.news.remove(at)),
            None => self.held.push((sent, value, now + WAIT)),
        }
    }

    /// The guest got a signal from an outsider.
    pub fn hear(&mut self, sent: Sent, now: Instant) {
        match self.held.iter().position(|(other, ..)| *other == sent) {
            Some(at) => drop(self.held.remove(at)),
            None => {
                self.news.retain(|(_, at)| now < *at + NEWS);
                self.news.push((sent, now));
            }
        }
    }

    /// Takes a signal, with its value, that has waited long enough: it was for the front alone.
    pub fn due(&mut self, now: Instant) -> Option<(i32, Option<u64>)> {
        let at = self.held.iter().position(|(.., until)| *until <= now)?;
        let (sent, value, _) = self.held.remove(at);
        Some((sent.signal, value))
    }

    /// The front was told to go on: as in the kernel (`prepare_signal`), that takes stops away that are still to come.
    pub fn forget_stops(&mut self) {
        const STOPS: [i32; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
        self.held.retain(|(sent, ..)| !STOPS.contains(&sent.signal));
    }

    /// How long until the next one is due, if any waits.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        self.held.iter().map(|(.., until)| until.saturating_duration_since(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USR1: Sent = Sent { signal: libc::SIGUSR1, sender: 7 };

    #[test]
    fn a_signal_to_the_front_alone_goes_on() {
        let (mut doubles, now) = (Doubles::default(), Instant::now());
        doubles.hold(USR1, Some(3), now);
        assert_eq!(doubles.due(now), None);
        assert_eq!(doubles.wait(now), Some(WAIT));
        assert_eq!(doubles.due(now + WAIT), Some((libc::SIGUSR1, Some(3))));
        assert_eq!((doubles.due(now + WAIT), doubles.wait(now)), (None, None));
    }

    #[test]
    fn a_signal_to_both_does_not_whoever_comes_first() {
        let (mut doubles, now) = (Doubles::default(), Instant::now());
        doubles.hold(USR1, None, now);
        doubles.hear(USR1, now);
        assert_eq!(doubles.due(now + WAIT), None);
        doubles.hear(USR1, now);
        doubles.hold(USR1, None, now);
        assert_eq!(doubles.due(now + WAIT), None);
    }

    #[test]
    fn going_on_takes_stops_away() {
        let (mut doubles, now) = (Doubles::default(), Instant::now());
        doubles.hold(Sent { signal: libc::SIGTSTP, sender: 7 }, None, now);
        doubles.hold(USR1, None, now);
        doubles.forget_stops();
        assert_eq!(doubles.due(now + WAIT), Some((libc::SIGUSR1, None)));
        assert_eq!(doubles.due(now + WAIT), None);
    }

    #[test]
    fn other_signals_other_senders_and_old_news_do_not_count() {
        let (mut doubles, now) = (Doubles::default(), Instant::now());
        doubles.hear(Sent { sender: 8, ..USR1 }, now);
        doubles.hear(Sent { signal: libc::SIGUSR2, ..USR1 }, now);
        doubles.hear(USR1, now);
        doubles.hold(USR1, None, now + NEWS);
        assert_eq!(doubles.due(now + NEWS + WAIT), Some((libc::SIGUSR1, None)));
    }
}
