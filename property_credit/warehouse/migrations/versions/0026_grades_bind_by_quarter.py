"""publishing: a version says which run its grade is of; what is shown beside it may be newer.

Ordinary changes of grade bind with the quarter's list, so that a version of a later night may keep the grade of an
earlier run.

Revision ID: 0026
"""

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.execute(
        """
        alter table publishing.grade_versions add column run_id text;   -- the run that gave the grade
        update publishing.grade_versions as version set run_id = publications.run_id
          from publishing.publications where publications.publication_id = version.publication_id;
        alter table publishing.grade_versions alter column run_id set not null;
        create or replace view publishing.current_grades as
          select distinct on (uscc) uscc, version_no, publication_id, enterprise_name, grade, status_code,
            method_version, valid_from, is_correction, publishing.without_withdrawn(body) as body, run_id
          from publishing.grade_versions order by uscc, version_no desc;
        create or replace view publishing.grade_history as
          select uscc, version_no, publication_id, enterprise_name, grade, status_code, method_version, valid_from,
            lead(valid_from) over (partition by uscc order by version_no) as valid_to, is_correction,
            publishing.without_withdrawn(body) as body, run_id
          from publishing.grade_versions;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
