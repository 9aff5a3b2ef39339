package boot

import "testing"

func TestNext(t *testing.T) {
	good, previous, factory := sample(41), sample(40), sample(3)
	all := Record{Sequence: 9, Good: good, Previous: previous, Factory: factory, Floor: 10, TimeFloor: 100}
	fresh := Record{Sequence: 1, Good: factory, Factory: factory}
	unsound := func(cores ...Core) Unsound {
		var e Unsound
		for _, c := range cores {
			e.Hashes = append(e.Hashes, c.Hash)
		}
		return e
	}
	raised := func(r Record, floor uint64, issued int64) Record {
		r.Floor, r.TimeFloor = floor, issued
		return r
	}
	tests := []struct {
		name   string
		before Record
		event  Event
		after  Record
		action Action
	}{
		{"boot: good starts", all, Boot{}, all, Action{Do: Run, Core: good, Role: GoodRole}},
		{"good died: good starts again", all, Died{}, all, Action{Do: Run, Core: good, Role: GoodRole}},
		{"good without a previous died: again, for ever", fresh, Died{}, fresh, Action{Do: Run, Core: factory, Role: GoodRole}},

		{"good does not hash: previous", all, unsound(good), all, Action{Do: Run, Core: previous, Role: PreviousRole}},
		{"nor does previous: factory", all, unsound(good, previous), all, Action{Do: Run, Core: factory, Role: FactoryRole}},
		{"previous is sound: it does not matter that factory is not", all, unsound(good, factory), all,
			Action{Do: Run, Core: previous, Role: PreviousRole}},
		{"no previous: factory", Record{Sequence: 9, Good: good, Factory: factory}, unsound(good),
			Record{Sequence: 9, Good: good, Factory: factory}, Action{Do: Run, Core: factory, Role: FactoryRole}},
		{"nothing hashes: stay", all, unsound(good, previous, factory), all, Action{Do: Stay}},
		{"good is factory and does not hash: stay", fresh, unsound(factory), fresh, Action{Do: Stay}},
		{"nothing at all: stay", Record{}, Boot{}, Record{}, Action{Do: Stay}},

		{"no record: the highest counter is good and factory", Record{}, Adopt{Cores: []Core{previous, good, factory}, Floor: 5, Issued: 77},
			Record{Good: good, Factory: good, Floor: 5, TimeFloor: 77}, Action{Do: Run, Core: good, Role: GoodRole}},
		{"no record and nothing verifies: stay, write nothing", Record{}, Adopt{Floor: 5}, Record{}, Action{Do: Stay}},
		{"no record: half a core is none", Record{}, Adopt{Cores: []Core{{Counter: 99}}}, Record{}, Action{Do: Stay}},

		{"look: both floors rise", all, Look{11, 101}, raised(all, 11, 101), Action{}},
		{"look: neither falls", all, Look{9, 99}, all, Action{}},
		{"look: each by itself", all, Look{9, 500}, raised(all, 10, 500), Action{}},
		{"look: a floor above good stops nothing", all, Look{99, 0}, raised(all, 99, 100), Action{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			after, action := Next(tt.before, tt.event)
			if after != tt.after {
				t.Errorf("record %+v\nwant   %+v", after, tt.after)
			}
			if action != tt.action {
				t.Errorf("action %+v, want %+v", action, tt.action)
			}
		})
	}
}

func TestRolesHaveNames(t *testing.T) {
	for role, want := range map[Role]string{NoRole: "none", GoodRole: "good", PreviousRole: "previous", FactoryRole: "factory", TrialRole: "trial"} {
		if role.String() != want {
			t.Errorf("%d is %q", role, role.String())
		}
	}
}
