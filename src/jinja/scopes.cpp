// Which names each scope of a template hides. jinja2 decides before it renders which variable a name stands
// for: where the first thing that a scope does with a name is to assign it, whatever happens, the name is the
// scope's own from its beginning, undefined until then for the scopes inside, even where a variable of that
// name was given.
#include <set>

#include "jinja/ast.h"

namespace circuitdiff::jinja {
namespace {

class Scope {
 public:
  explicit Scope(const Scope* parent) : parent_(parent) {}

  void load(uint32_t name) { known_.insert(name); }
  void store(uint32_t name, bool conditional) {
    if (!knows(name) && !conditional) hidden.push_back(name);
    known_.insert(name);
  }

  // What statements do in the scope they stand in; scopes of their own are not entered.
  void visit(const Body& body, bool conditional = false) {
    for (const StmtPtr& stmt : body) visit(*stmt, conditional);
  }
  void visit(const Expr* expr, bool conditional = false) {
    if (!expr) return;
    if (expr->kind == ExprKind::name || expr->kind == ExprKind::member) {
      if (expr->stores) {
        store(expr->symbol, conditional);
      } else {
        load(expr->symbol);
      }
    }
    for (const ExprPtr& child : expr->children) visit(child.get(), conditional);
    for (const auto& [name, value] : expr->keywords) visit(value.get());
    visit(expr->star.get());
  }

  std::vector<uint32_t> hidden;

 private:
  bool knows(uint32_t name) const { return known_.contains(name) || (parent_ && parent_->knows(name)); }

  void visit(const Stmt& stmt, bool conditional) {
    for (const ExprPtr& value : stmt.expressions) visit(value.get());
    for (const Branch& branch : stmt.branches) {
      visit(branch.test.get());
      visit(branch.body, /*conditional=*/true);
    }
    if (stmt.kind == StmtKind::macro) store(stmt.symbol, conditional);
    if (stmt.kind != StmtKind::assign_block) visit(stmt.iter.get());
    if (stmt.kind == StmtKind::assign || stmt.kind == StmtKind::assign_block)
      visit(stmt.target.get(), conditional);
  }

  const Scope* parent_;
  std::set<uint32_t> known_;
};

void enter(Body& body, const Scope& outer);

// Gives the scopes of a statement their hidden names. `given` is assigned before the body runs.
std::vector<uint32_t> hidden_in(Body& body, const Scope& outer, const std::vector<const Expr*>& given,
                                const std::vector<uint32_t>& parameters = {}) {
  Scope inner(&outer);
  for (const uint32_t name : parameters) inner.load(name);
  for (const Expr* target : given) inner.visit(target, /*conditional=*/true);
  inner.visit(body);
  enter(body, inner);
  return inner.hidden;
}

void enter(Body& body, const Scope& outer) {
  for (const StmtPtr& stmt : body) {
    for (Branch& branch : stmt->branches) enter(branch.body, outer);
    std::vector<const Expr*> given;
    if (stmt->kind == StmtKind::loop) given.push_back(stmt->target.get());
    for (const ExprPtr& value : stmt->signature.defaults) given.push_back(value.get());
    stmt->hidden = hidden_in(stmt->body, outer, given, stmt->signature.parameters);
    stmt->hidden_otherwise = hidden_in(stmt->otherwise, outer, {});
  }
}

}  // namespace

void find_hidden_names(Template& tree) {
  Scope top(nullptr);
  top.visit(tree.body);
  tree.hidden = top.hidden;
  enter(tree.body, top);
}

}  // namespace circuitdiff::jinja
