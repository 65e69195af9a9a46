//! Threads that step back: what they do can wait for those who wait for an answer.

/// How far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Niceness 9: an eighth of a core that others want too. For what nobody waits for, but what must not stand still.
    Others,
    /// Niceness 19 and the batch policy on Linux. Not the idle policy: on a machine that is busy without end it would starve
    /// sign-ins for ever, while niceness leaves them one part in sixty-eight.
    Everybody,
}

/// Puts the thread that calls this behind; threads that it starts later are not. Without effect, and with a line in the log,
/// where the system refuses; without either where niceness belongs to the whole process, which must not be slowed.
pub fn step_back(behind: Behind) {
    if let Err(error) = set(behind) {
        tracing::warn!(?error, ?behind, "a thread that should step back runs at normal priority");
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set(behind: Behind) -> Result<(), thread_priority::Error> {
    use thread_priority::{
        NormalThreadSchedulePolicy as Policy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id,
    };
    let (priority, policy) = match behind {
        // A quarter of the way from the lowest priority to the highest.
        Behind::Others => (
            ThreadPriorityValue::try_from(25).map_or(ThreadPriority::Min, ThreadPriority::Crossplatform),
            Policy::Other,
        ),
        Behind::Everybody => (ThreadPriority::Min, Policy::Batch),
    };
    set_thread_priority_and_policy(thread_native_id(), priority, ThreadSchedulePolicy::Normal(policy))
}

#[cfg(any(windows, target_os = "macos"))]
fn set(_: Behind) -> Result<(), thread_priority::Error> {
    thread_priority::ThreadPriority::Min.set_for_current()
}

#[cfg(not(any(windows, target_os = "linux", target_os = "android", target_os = "macos")))]
fn set(_: Behind) -> Result<(), std::convert::Infallible> {
    Ok(())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    fn niceness() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        // proc_pid_stat(5): field 19, and the name in field 2 may hold spaces.
        stat.rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().parse().unwrap()
    }

    #[test]
    fn a_thread_steps_back_and_no_other() {
        let before = niceness();
        for (behind, expected) in [(Behind::Others, 9), (Behind::Everybody, 19)] {
            let stepped = std::thread::spawn(move || {
                step_back(behind);
                niceness()
            });
            assert_eq!((stepped.join().unwrap(), niceness()), (expected, before), "{behind:?}");
        }
    }
}
