//! What becomes of a job.

use super::*;

const JOB: &str = "job_01JM0000000000000000000001";
const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn user(number: u64) -> UserId {
    UserId::from_ulid(ulid::Ulid::from_parts(number, 0))
}

fn after(commands: Vec<JobCommand>) -> Job {
    let mut job = Job::default();
    for command in commands {
        job.decide(command, AT).unwrap().iter().for_each(|event| job.apply(event));
    }
    job
}

fn request() -> JobCommand {
    requested(Task::RemoveUsers(UserFilter::default()))
}

fn requested(task: Task) -> JobCommand {
    JobCommand::Request { job: JOB.parse().unwrap(), task }
}

fn advance(from: Option<u64>, through: u64) -> JobCommand {
    JobCommand::Advance { from: from.map(user), through: user(through), done: 1, spared: 0 }
}

#[test]
fn a_stretch_counts_once() {
    let job = after(vec![request(), advance(None, 5), advance(Some(5), 9)]);
    assert_eq!((job.through, job.done), (Some(user(9)), 2));
    assert_eq!(job.decide(advance(Some(5), 9), AT), Err(JobRefusal::Late));
    assert_eq!(job.decide(advance(None, 5), AT), Err(JobRefusal::Late));
}

#[test]
fn what_has_ended_does_not_go_on() {
    let end = |outcome| JobCommand::End { outcome };
    let job = after(vec![request(), end(JobOutcome::Cancelled)]);
    assert_eq!(job.decide(advance(None, 5), AT), Err(JobRefusal::Ended));
    assert_eq!(job.decide(end(JobOutcome::Cancelled), AT), Ok(Vec::new()));
    assert_eq!(job.decide(end(JobOutcome::Finished), AT), Err(JobRefusal::Ended));
    assert_eq!(job.decide(request(), AT), Err(JobRefusal::Exists));
    assert_eq!(Job::default().decide(end(JobOutcome::Cancelled), AT), Err(JobRefusal::NotFound));
}

fn wave() -> Task {
    let network = WaveNetwork {
        record: SealedId::from_ulid(ulid::Ulid::from_parts(1, 0)),
        person: PersonId::from_ulid(ulid::Ulid::from_parts(2, 0)),
    };
    Task::DisableWave(Wave { from: AT, to: AT, network: Some(network) })
}

#[test]
fn where_a_wave_came_from_is_forgotten_when_the_job_ends() {
    let person = PersonId::from_ulid(ulid::Ulid::from_parts(2, 0));
    let job = after(vec![requested(wave())]);
    for end in [JobCommand::End { outcome: JobOutcome::Finished }, JobCommand::Halt] {
        let ended = job.decide(end, AT).unwrap();
        assert_eq!(ended[0].erases(), [person]);
    }
    let ended = after(vec![request()]).decide(JobCommand::End { outcome: JobOutcome::Finished }, AT).unwrap();
    assert_eq!(ended[0].erases(), []);
}

#[test]
fn what_is_to_be_undone_goes_no_further() {
    let job = after(vec![requested(wave()), advance(None, 5), JobCommand::Halt]);
    assert_eq!((job.ended, job.done), (Some(JobOutcome::Cancelled), 1));
    assert_eq!(job.decide(advance(Some(5), 9), AT), Err(JobRefusal::Ended));
    assert_eq!(job.decide(JobCommand::Halt, AT), Ok(Vec::new()));
    let done = after(vec![requested(wave()), JobCommand::End { outcome: JobOutcome::Finished }]);
    assert_eq!(done.decide(JobCommand::Halt, AT), Ok(Vec::new()));
}

#[test]
fn what_is_deleted_stays_deleted() {
    let undoing = Task::RestoreWave(JOB.parse().unwrap());
    for job in [after(vec![request()]), after(vec![requested(undoing)])] {
        assert_eq!(job.decide(JobCommand::Halt, AT), Err(JobRefusal::Irreversible));
    }
    assert_eq!(Job::default().decide(JobCommand::Halt, AT), Err(JobRefusal::NotFound));
}
